import { ILabShell, JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, MainAreaWidget } from '@jupyterlab/apputils';
import { IDocumentManager } from '@jupyterlab/docmanager';
import { FileDialog } from '@jupyterlab/filebrowser';
import { TranslationBundle } from '@jupyterlab/translation';

import { IStatus } from './api';
import { cobraIcon } from './icons';
import { NewRun } from './panel/form';
import { openWhenBegun } from './reveal';
import { IRuns, Run } from './runs';
import { CommandIDs } from './tokens';

export interface INewRunOptions {
  app: JupyterFrontEnd;
  runs: IRuns;
  trans: TranslationBundle;
  shell: ILabShell | null;
  documents: IDocumentManager | null;
  reveal: (run: Run, agent: string, cell?: string) => void;
}

/** Add the command that opens the form: in a tab, or in a dialog if the application has no tabs. */
export function addNewRun(options: INewRunOptions): void {
  const { app, trans, shell } = options;
  let tab: MainAreaWidget<NewRun> | null = null;
  app.commands.addCommand(CommandIDs.newRun, {
    label: args =>
      args.isMenu ? trans.__('Cobra Run') : trans.__('New Cobra Run'),
    caption: trans.__('Let Cobra work on a competition'),
    icon: args => (args.isPalette ? undefined : cobraIcon),
    execute: args => {
      const folder = (args.cwd as string | undefined) ?? '';
      if (!shell) {
        inDialog(options, folder);
        return;
      }
      if (!tab || tab.isDisposed) {
        const close = () => tab?.dispose();
        const content = form(options, folder, true, close);
        tab = new MainAreaWidget({ content });
        shell.add(tab, 'main');
      }
      shell.activateById(tab.id);
      return tab;
    }
  });
}

function inDialog(options: INewRunOptions, folder: string): void {
  const body = form(options, folder, false, () => dialog.dispose());
  const dialog = new Dialog({
    body,
    buttons: [Dialog.cancelButton()],
    hasClose: true
  });
  void dialog.launch();
}

function form(
  options: INewRunOptions,
  folder: string,
  mayBrowse: boolean,
  close: () => void
): NewRun {
  const { runs, trans, documents, app, reveal } = options;
  const started = (status: IStatus) => {
    const run = runs.add(status);
    runs.select(status.id);
    close();
    openWhenBegun(runs, run, reveal);
    void app.commands.execute(CommandIDs.openPanel);
  };
  const browse = async (path: string) => {
    const chosen = await FileDialog.getExistingDirectory({
      manager: documents!,
      title: trans.__('The competition’s folder'),
      defaultPath: path
    });
    return chosen.button.accept ? (chosen.value?.[0]?.path ?? null) : null;
  };
  return new NewRun({
    api: runs.api,
    trans,
    folder,
    browse: mayBrowse && documents ? browse : null,
    onStarted: started
  });
}
