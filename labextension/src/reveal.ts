import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { CommandRegistry } from '@lumino/commands';

import { Run } from './runs';

/** In place of a cell: the end of the notebook. */
export const END = ' end';

const MARKED = 'jp-cobra-shown';
const MARKED_FOR = 1600;

/** Opens an agent's notebook and shows a cell of it, leaving selection and cursor as they are. */
export function revealer(
  commands: CommandRegistry,
  tracker: INotebookTracker
): (run: Run, agent: string, cell?: string) => void {
  return (run, agent, cell) => {
    const path = run.status.agents.find(({ name }) => name === agent)?.notebook;
    if (path && commands.hasCommand('docmanager:open')) {
      void commands.execute('docmanager:open', { path }).then(() => {
        const panel = tracker.find(({ context }) => context.path === path);
        if (panel && cell) {
          void show(panel, cell);
        }
      });
    }
  };
}

async function show(panel: NotebookPanel, id: string): Promise<void> {
  await panel.context.ready;
  await panel.revealed;
  const { widgets } = panel.content;
  if (id === END) {
    await panel.content.scrollToItem(widgets.length - 1, 'end');
    return;
  }
  const index = widgets.findIndex(cell => cell.model.id === id);
  if (index < 0) {
    return;
  }
  await panel.content.scrollToItem(index, 'smart');
  const cell = widgets[index];
  cell.addClass(MARKED);
  window.setTimeout(() => cell.removeClass(MARKED), MARKED_FOR);
}
