import { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { CommandRegistry } from '@lumino/commands';

import { IRuns, Run } from './runs';
import { hasNotebook, isOver } from './words';

/** Instead of a cell: the end of the notebook. */
export const END = ' end';

const MARKED = 'jp-cobra-shown';
const MARKED_FOR = 1600;

/** Opens an agent's notebook and shows one of its cells; selection and cursor stay. */
export function revealer(
  commands: CommandRegistry,
  tracker: INotebookTracker
): (run: Run, agent: string, cell?: string) => void {
  return (run, agent, cell) => {
    const path = run.status.agents.find(({ name }) => name === agent)?.notebook;
    if (path && commands.hasCommand('docmanager:open')) {
      const opened = () => {
        const panel = tracker.find(({ context }) => context.path === path);
        if (panel && cell) {
          void show(panel, cell);
        }
      };
      commands
        .execute('docmanager:open', { path })
        .then(opened, reason => run.fail((reason as Error).message));
    }
  };
}

/** Shows the end of a run's notebook as soon as it exists; not if the run ended before it began. */
export function openWhenBegun(
  runs: IRuns,
  run: Run,
  reveal: (run: Run, agent: string, cell?: string) => void
): void {
  const look = () => {
    const waits = !hasNotebook(run.status) && !isOver(run.status);
    if (waits && !run.isDisposed) {
      return;
    }
    runs.changed.disconnect(look);
    const agent = run.status.agents.find(({ notebook }) => notebook);
    if (agent && !isOver(run.status) && !run.isDisposed) {
      reveal(run, agent.name, END);
    }
  };
  runs.changed.connect(look);
  look();
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
