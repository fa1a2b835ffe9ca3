import { PageConfig } from '@jupyterlab/coreutils';
import { Contents } from '@jupyterlab/services';

import { IRuns } from './runs';

/** The server's list of notebooks of active runs at page load. */
const OPTION = 'cobraNotebooks';

/** The paths that runs use: `runs/<name>/agent.ipynb`, `…/agents/<name>.ipynb`; for ended runs not yet listed. */
const NAMED = /(^|\/)runs\/[^/]+\/(agent|agents\/[^/]+)\.ipynb$/;

/**
 * Open notebooks of runs without jupyter-collaboration's shared document, if that is installed: with two channels
 * each change would arrive twice. The decision is made when a notebook is opened, from the known runs and from
 * the paths that runs use.
 */
export function openAlone(contents: Contents.IManager, runs: IRuns): void {
  const known = new Set<string>(
    JSON.parse(PageConfig.getOption(OPTION) || '[]')
  );
  const factory = contents.getSharedModelFactory.bind(contents);
  contents.getSharedModelFactory = (path, options) => {
    const local = contents.localPath(path);
    const ofRun =
      known.has(local) || runs.ofNotebook(local) !== null || NAMED.test(local);
    return ofRun ? null : factory(path, options);
  };
}
