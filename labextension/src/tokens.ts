import { Token } from '@lumino/coreutils';

import { IRuns } from './runs';

export const ICobraRuns = new Token<IRuns>(
  'cobra-jupyter:ICobraRuns',
  'The runs on the server, and the one that is shown.'
);

export namespace CommandIDs {
  export const newRun = 'cobra:new-run';
  export const openPanel = 'cobra:open-panel';
  export const openNotebook = 'cobra:open-notebook';
  export const pause = 'cobra:pause';
  export const resume = 'cobra:resume';
  export const step = 'cobra:step';
  export const interrupt = 'cobra:interrupt';
  export const stop = 'cobra:stop';
  export const takeOver = 'cobra:take-over';
  export const handBack = 'cobra:hand-back';
  export const exportTo = 'cobra:export';
}

export const PANEL_ID = 'jp-cobra-panel';
export const CATEGORY = 'Cobra';
