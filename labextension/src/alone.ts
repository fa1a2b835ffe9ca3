import { PageConfig } from '@jupyterlab/coreutils';
import { Contents } from '@jupyterlab/services';

import { IRuns } from './runs';

/** Notebooks of living runs when the page was made, from the server. */
const OPTION = 'cobraNotebooks';

/** As runs of the past have it, before the server has named them: `runs/<name>/agent.ipynb`, `…/agents/<name>.ipynb`. */
const NAMED = /(^|\/)runs\/[^/]+\/(agent|agents\/[^/]+)\.ipynb$/;

/**
 * Open notebooks of runs without jupyter-collaboration's shared document, where that is installed: a second way
 * for the same changes would bring each of them twice. Which notebook is a run's must be known at once, when it is
 * opened: by what is known of runs, or by where runs put it.
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
