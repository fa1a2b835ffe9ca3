import {
  ILabShell,
  ILayoutRestorer,
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import { ICommandPalette, Notification } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IStateDB } from '@jupyterlab/statedb';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { JSONObject } from '@lumino/coreutils';

import { openAlone } from './alone';
import { Api } from './api';
import {
  addControls,
  addToggles,
  refreshCommands,
  refreshOnChange
} from './commands';
import { dismissWhenBack } from './connection';
import { cobraIcon } from './icons';
import { addNewRun } from './new-run';
import { RunPanel } from './panel/panel';
import { revealer } from './reveal';
import { IRuns, Runs } from './runs';
import { StatusItem } from './statusbar';
import { Bridges } from './sync/bridges';
import { IRefusal } from './sync/outbox';
import { CATEGORY, CommandIDs, ICobraRuns, PANEL_ID } from './tokens';
import { cellWords, hasNotebook } from './words';

const DOMAIN = 'cobra_jupyter';
const SELECTED = 'cobra-jupyter:selected';

const runsPlugin: JupyterFrontEndPlugin<IRuns> = {
  id: 'cobra-jupyter:runs',
  description: 'Knows the runs on the server.',
  autoStart: true,
  provides: ICobraRuns,
  optional: [IStateDB],
  activate: (app: JupyterFrontEnd, state: IStateDB | null): IRuns => {
    const runs = new Runs(new Api(app.serviceManager.serverSettings));
    openAlone(app.serviceManager.contents, runs);
    void (state?.fetch(SELECTED) ?? Promise.resolve(undefined))
      .catch(() => undefined)
      .then(async id => {
        runs.select((id as string) ?? null);
        await runs.refresh();
        let saved = runs.current?.id;
        runs.changed.connect(() => {
          if (runs.current && runs.current.id !== saved) {
            saved = runs.current.id;
            void state?.save(SELECTED, saved);
          }
        });
      });
    return runs;
  }
};

const notebooksPlugin: JupyterFrontEndPlugin<void> = {
  id: 'cobra-jupyter:notebooks',
  description: 'Synchronises open notebooks with their runs.',
  autoStart: true,
  requires: [INotebookTracker, ICobraRuns],
  optional: [IDocumentManager, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    runs: IRuns,
    documents: IDocumentManager | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const { contents } = app.serviceManager;
    const options = {
      words: (cobra: JSONObject) => cellWords(cobra, trans),
      onRefused: ({ kind, message }: IRefusal) =>
        Notification.emit(
          kind === 'TooLarge'
            ? trans.__(
                'A cell is too large to send while you work. Save the notebook to keep it, or clear its outputs.'
              )
            : trans.__('The run refused a change: %1', message),
          'warning',
          { autoClose: 8000 }
        )
    };
    const bridges = new Bridges(runs, contents, options, async path => {
      await documents?.closeFile(path);
      documents?.openOrReveal(path);
    });
    bridges.track(tracker);
    dismissWhenBack(app.serviceManager, runs, translator);
    tracker.currentChanged.connect((_, panel) => {
      const path = panel ? contents.localPath(panel.context.path) : '';
      const found = runs.ofNotebook(path);
      if (found) {
        runs.select(found.run.id);
      }
    });
  }
};

const commandsPlugin: JupyterFrontEndPlugin<void> = {
  id: 'cobra-jupyter:commands',
  description: 'Starts runs and controls them.',
  autoStart: true,
  requires: [INotebookTracker, ICobraRuns],
  optional: [
    ILabShell,
    ICommandPalette,
    ILauncher,
    IDocumentManager,
    ITranslator
  ],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    runs: IRuns,
    shell: ILabShell | null,
    palette: ICommandPalette | null,
    launcher: ILauncher | null,
    documents: IDocumentManager | null,
    translator: ITranslator | null
  ) => {
    const { commands } = app;
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const inRun = () => {
      const path = tracker.currentWidget?.context.path;
      const found = path && runs.ofNotebook(contents.localPath(path));
      return !!found && found.run === runs.current;
    };
    const { contents } = app.serviceManager;
    const reveal = revealer(commands, tracker);
    addControls({ commands, runs, trans });
    addToggles({ commands, runs, trans, isVisible: inRun });
    refreshOnChange(runs, commands);
    tracker.currentChanged.connect(() => refreshCommands(commands));
    addNewRun({ app, runs, trans, shell, documents, reveal });
    commands.addCommand(CommandIDs.openNotebook, {
      label: trans.__('Open Run’s Notebook'),
      isEnabled: () => !!runs.current && hasNotebook(runs.current.status),
      execute: () => {
        const run = runs.current;
        const agent = run?.status.agents.find(({ notebook }) => notebook);
        if (run && agent) {
          reveal(run, agent.name);
        }
      }
    });
    launcher?.add({
      command: CommandIDs.newRun,
      category: trans.__('Notebook'),
      rank: 0.5, // after the default kernel
      kernelIconUrl: `data:image/svg+xml,${encodeURIComponent(cobraIcon.svgstr)}`
    });
    const { exportTo, newRun, openPanel, ...rest } = CommandIDs;
    for (const command of [newRun, openPanel, ...Object.values(rest)]) {
      palette?.addItem({
        command,
        category: CATEGORY,
        args: { isPalette: true }
      });
    }
    for (const to of ['html', 'ipynb', 'py']) {
      palette?.addItem({
        command: exportTo,
        category: CATEGORY,
        args: { isPalette: true, to }
      });
    }
  }
};

const panelPlugin: JupyterFrontEndPlugin<void> = {
  id: 'cobra-jupyter:panel',
  description: 'The side panel of a run.',
  autoStart: true,
  requires: [INotebookTracker, ICobraRuns],
  optional: [ILayoutRestorer, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    tracker: INotebookTracker,
    runs: IRuns,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null
  ) => {
    const { commands, shell } = app;
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    const reveal = revealer(commands, tracker);
    const panel = new RunPanel({ runs, commands, trans, reveal });
    shell.add(panel, 'right', { rank: 500 });
    restorer?.add(panel, PANEL_ID);
    commands.addCommand(CommandIDs.openPanel, {
      label: trans.__('Show Cobra Panel'),
      execute: () => shell.activateById(PANEL_ID)
    });
  }
};

const statusPlugin: JupyterFrontEndPlugin<void> = {
  id: 'cobra-jupyter:status',
  description: 'The current run in the status bar.',
  autoStart: true,
  requires: [ICobraRuns],
  optional: [IStatusBar, ITranslator],
  activate: (
    app: JupyterFrontEnd,
    runs: IRuns,
    statusBar: IStatusBar | null,
    translator: ITranslator | null
  ) => {
    const trans = (translator ?? nullTranslator).load(DOMAIN);
    statusBar?.registerStatusItem(statusPlugin.id, {
      item: new StatusItem(runs, app.commands, trans),
      align: 'middle',
      isActive: () => runs.current !== null,
      activeStateChanged: runs.changed as any
    });
  }
};

export default [
  runsPlugin,
  notebooksPlugin,
  commandsPlugin,
  panelPlugin,
  statusPlugin
];
export { ICobraRuns } from './tokens';
