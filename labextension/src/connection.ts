import { Dialog } from '@jupyterlab/apputils';
import { ServiceManager } from '@jupyterlab/services';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { IRuns } from './runs';

/** The titles that JupyterLab and its JupyterHub extension give the dialog about an unreachable server. */
const TITLES = ['Server Connection Error', 'Server unavailable or unreachable'];

/**
 * JupyterLab reports an unreachable server in a dialog and leaves the dialog open when the server is back. Close it
 * when a run's channel shows that the server is back.
 */
export function dismissWhenBack(
  services: ServiceManager.IManager,
  runs: IRuns,
  translator: ITranslator | null
): void {
  let failed = false;
  services.connectionFailure.connect(() => (failed = true));
  runs.changed.connect(() => {
    if (!failed || !runs.current?.connected) {
      return;
    }
    failed = false;
    const trans = (translator ?? nullTranslator).load('jupyterlab');
    const titles = new Set(TITLES.map(title => trans.__(title)));
    Dialog.tracker
      .filter(dialog => {
        const header = dialog.node.querySelector('.jp-Dialog-header');
        return titles.has(header?.textContent ?? '');
      })
      .forEach(dialog => dialog.reject());
  });
}
