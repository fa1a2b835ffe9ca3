import { TranslationBundle } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { IRuns, Run } from '../runs';

/** Options that every part of the panel needs. */
export interface IPanelOptions {
  runs: IRuns;
  commands: CommandRegistry;
  trans: TranslationBundle;
  /** Show a cell of an agent's notebook, or only the notebook. */
  reveal: (run: Run, agent: string, cell?: string) => void;
}

export interface IPartProps extends IPanelOptions {
  run: Run;
}

/** Render again every second while something counts down. */
export function useSeconds(active: boolean): void {
  const [, tick] = React.useReducer((count: number) => count + 1, 0);
  React.useEffect(() => {
    if (!active) {
      return;
    }
    const timer = window.setInterval(tick, 1000);
    return () => window.clearInterval(timer);
  }, [active]);
}
