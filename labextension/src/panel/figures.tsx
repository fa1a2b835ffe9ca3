import * as React from 'react';

import { IScore } from '../api';
import {
  clock,
  costText,
  countText,
  directionArrow,
  isOver,
  scoreText,
  span,
  stateGloss,
  stateHint,
  stateWords
} from '../words';
import { IPartProps, useSeconds } from './parts';

/** The run's state in words; screen readers announce changes. */
export function State({ run, trans }: IPartProps): React.ReactElement {
  const { status, connected } = run;
  const { label } = stateWords(status, trans);
  const phase = isOver(status) ? '' : status.phase;
  return (
    <div className="jp-cobra-state" data-state={status.state}>
      <div role="status" aria-live="polite" aria-atomic="true">
        <span className="jp-cobra-dot" aria-hidden="true" />
        <span
          className="jp-cobra-state-label"
          title={stateGloss(status, trans) || undefined}
        >
          {label}
        </span>
        {phase ? <span className="jp-cobra-phase">{phase}</span> : null}
        <div className="jp-cobra-hint">{stateHint(status, trans)}</div>
      </div>
      {connected ? null : (
        <div className="jp-cobra-warning" role="alert">
          {trans.__('The server cannot be reached; trying again …')}
        </div>
      )}
    </div>
  );
}

/** Time used and time left. */
export function Clock({ run, trans }: IPartProps): React.ReactElement {
  const { status } = run;
  useSeconds(status.ticking && run.connected);
  const { elapsed, left } = run.clock();
  const share = status.budget ? Math.min(1, elapsed / status.budget) : 0;
  return (
    <div className="jp-cobra-clock">
      <div
        className="jp-cobra-bar"
        role="progressbar"
        aria-label={trans.__('Budget used')}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(share * 100)}
      >
        <div style={{ width: `${share * 100}%` }} />
      </div>
      <div className="jp-cobra-clock-words">
        <span>
          {trans.__('%1 of %2', clock(elapsed), span(status.budget, trans))}
        </span>
        <span>{isOver(status) ? '' : trans.__('%1 left', clock(left))}</span>
      </div>
    </div>
  );
}

/** Results so far, and their cost. */
export function Figures({ run, trans }: IPartProps): React.ReactElement {
  const { status } = run;
  const { best, submitted, trials, tokens, cost, brain } = status;
  return (
    <dl className="jp-cobra-figures">
      <Score
        label={trans.__('Best CV')}
        gloss={trans.__('Best cross-validated score ± standard error')}
        score={best}
        main
      />
      <Score label={trans.__('Submitted')} score={submitted} />
      <Figure label={trans.__('Trials')} value={countText(trials)} />
      <Figure label={trans.__('Brain')} value={brain} />
      {tokens ? (
        <Figure label={trans.__('Tokens')} value={countText(tokens)} />
      ) : null}
      {cost !== null ? (
        <Figure label={trans.__('Cost')} value={costText(cost)} />
      ) : null}
      {status.turn ? (
        <Figure label={trans.__('Written by')} value={status.written_by} wide />
      ) : null}
    </dl>
  );
}

function Score(props: {
  label: string;
  gloss?: string;
  score: IScore | null;
  main?: boolean;
}): React.ReactElement {
  const { label, gloss, score, main } = props;
  return (
    <div className={main ? 'jp-cobra-figure jp-mod-main' : 'jp-cobra-figure'}>
      <dt title={gloss}>
        {label}
        {main && score ? (
          <span className="jp-cobra-metric">
            {score.metric} {directionArrow(score)}
          </span>
        ) : null}
      </dt>
      <dd title={score?.what}>
        {score ? scoreText(main ? score : { ...score, se: null }) : '–'}
      </dd>
    </div>
  );
}

function Figure(props: {
  label: string;
  value: string;
  wide?: boolean;
}): React.ReactElement {
  return (
    <div
      className={props.wide ? 'jp-cobra-figure jp-mod-wide' : 'jp-cobra-figure'}
    >
      <dt>{props.label}</dt>
      <dd title={props.value}>{props.value}</dd>
    </div>
  );
}
