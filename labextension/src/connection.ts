import { Dialog } from '@jupyterlab/apputils';
import { ServiceManager } from '@jupyterlab/services';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { IRuns } from './runs';

/** What JupyterLab and its extension for JupyterHub call the dialog about a server that is away. */
const TITLES = ['Server Connection Error', 'Server unavailable or unreachable'];

/**
 * JupyterLab says in a dialog that the server is away, and leaves it over the page when the server is back. Where a
 * run shows that it is, the dialog goes.
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
