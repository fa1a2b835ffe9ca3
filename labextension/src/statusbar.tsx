import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';

import { cobraIcon } from './icons';
import { useSeconds } from './panel/parts';
import { IRuns, Run } from './runs';
import { CommandIDs } from './tokens';
import {
  directionArrow,
  isOver,
  remaining,
  scoreText,
  stateWords
} from './words';

/** The current run in one line: state · time left · best score. */
export class StatusItem extends ReactWidget {
  constructor(
    private _runs: IRuns,
    private _commands: CommandRegistry,
    private _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-cobra-status');
  }

  protected render(): React.ReactElement {
    return (
      <UseSignal signal={this._runs.changed}>
        {() => {
          const run = this._runs.current;
          return run ? (
            <Line run={run} trans={this._trans} commands={this._commands} />
          ) : null;
        }}
      </UseSignal>
    );
  }
}

function Line(props: {
  run: Run;
  trans: TranslationBundle;
  commands: CommandRegistry;
}): React.ReactElement {
  const { run, trans, commands } = props;
  useSeconds(run.status.ticking && run.connected);
  return (
    <button
      className="jp-cobra-status-item"
      title={trans.__('%1: show the run', run.status.name)}
      onClick={() => void commands.execute(CommandIDs.openPanel)}
    >
      <cobraIcon.react tag="span" className="jp-cobra-icon" />
      {statusLine(run, trans)}
    </button>
  );
}

export function statusLine(run: Run, trans: TranslationBundle): string {
  const { status } = run;
  const parts = [stateWords(status, trans).label];
  if (!isOver(status)) {
    parts.push(trans.__('%1 left', remaining(run.clock().left, trans)));
  }
  if (status.best) {
    parts.push(`${scoreText(status.best)} ${directionArrow(status.best)}`);
  }
  return parts.join(' · ');
}
