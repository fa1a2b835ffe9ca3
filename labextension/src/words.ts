import { TranslationBundle } from '@jupyterlab/translation';
import { JSONObject } from '@lumino/coreutils';

import { Action, IScore, IStatus, RunState } from './api';

/** States with a reason of their own; for the others, the panel says what can be done now. */
const WITH_REASON: ReadonlySet<RunState> = new Set([
  'waiting',
  'stopped',
  'finished',
  'failed',
  'died'
]);

/** The text below the state: its reason or its meaning. */
export function stateHint(status: IStatus, trans: TranslationBundle): string {
  const why = WITH_REASON.has(status.state) ? status.why : '';
  return why || stateWords(status, trans).meaning;
}

/** A state's label and its meaning for the person who watches. */
export function stateWords(
  status: IStatus,
  trans: TranslationBundle
): { label: string; meaning: string } {
  switch (status.state) {
    case 'starting':
      return {
        label: trans.__('Starting'),
        meaning: trans.__('Reading the competition and starting the kernel.')
      };
    case 'running':
      return {
        label: trans.__('Running'),
        meaning: trans.__('The agent is working in the notebook.')
      };
    case 'pausing':
      return {
        label: trans.__('Pausing'),
        meaning: trans.__('It pauses when the current cell has finished.')
      };
    case 'paused':
      return {
        label: trans.__('Paused'),
        meaning: trans.__(
          'No new step until you resume; background jobs go on. The clock is stopped.'
        )
      };
    case 'human':
      return {
        label: trans.__('Yours'),
        meaning: trans.__(
          'Edit and run cells. The agent reads your changes when you hand back.'
        )
      };
    case 'waiting':
      return {
        label: trans.__('Waits for you'),
        meaning: trans.__('A step needs your approval.')
      };
    case 'stopped':
      return { label: trans.__('Stopped'), meaning: '' };
    case 'finished':
      return { label: trans.__('Finished'), meaning: '' };
    case 'failed':
      return { label: trans.__('Failed'), meaning: '' };
    case 'died':
      return {
        label: trans.__('Gone'),
        meaning: trans.__('Its process ended without giving a reason.')
      };
  }
}

const OVER: ReadonlySet<RunState> = new Set([
  'stopped',
  'finished',
  'failed',
  'died'
]);

export function isOver({ state }: IStatus): boolean {
  return OVER.has(state);
}

const POSSIBLE: Record<Exclude<Action, 'resume'>, RunState[]> = {
  pause: ['starting', 'running', 'waiting'],
  step: ['paused'],
  interrupt: ['running', 'pausing', 'waiting'],
  stop: ['starting', 'running', 'pausing', 'paused', 'human', 'waiting'],
  'take-over': ['running', 'pausing', 'paused', 'waiting'],
  'hand-back': ['human']
};

/** Whether an action makes sense in the run's state. */
export function isPossible(action: Action, status: IStatus): boolean {
  if (action === 'resume') {
    return status.state === 'paused' || (isOver(status) && status.resumable);
  }
  return POSSIBLE[action].includes(status.state);
}

/** Whether the notebook can be opened: while a run starts, its file may not exist yet. */
export function hasNotebook({ state, agents }: IStatus): boolean {
  return state !== 'starting' && agents.some(({ notebook }) => notebook);
}

/** 75 → 1:15, 3700 → 1:01:40 */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (value: number) => String(value).padStart(2, '0');
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = two(whole % 60);
  return hours ? `${hours}:${two(minutes)}:${rest}` : `${minutes}:${rest}`;
}

/** 600 → 10 min, 5400 → 1 h 30 min */
export function span(seconds: number, trans: TranslationBundle): string {
  const whole = Math.round(seconds);
  if (whole < 60) {
    return trans.__('%1 s', whole);
  }
  const all = Math.round(whole / 60);
  const [hours, minutes] = [Math.floor(all / 60), all % 60];
  if (!hours) {
    return trans.__('%1 min', minutes);
  }
  return minutes
    ? trans.__('%1 h %2 min', hours, minutes)
    : trans.__('%1 h', hours);
}

/** 75 → 1:15, 700 → 11 min. It changes rarely, because each change redraws the page, even a long notebook. */
export function remaining(seconds: number, trans: TranslationBundle): string {
  return seconds < 120
    ? clock(seconds)
    : span(60 * Math.floor(seconds / 60), trans);
}

/** A score with the digits that its standard error makes meaningful. */
export function scoreText({ score, se }: IScore): string {
  if (!se || !isFinite(se)) {
    return String(Number(score.toPrecision(5)));
  }
  const digits = Math.min(6, Math.max(0, 1 - Math.floor(Math.log10(se))));
  return `${score.toFixed(digits)} ± ${se.toFixed(digits)}`;
}

export function directionArrow({ direction }: IScore): string {
  return direction === 'minimize' ? '↓' : '↑';
}

/** 950 → 950, 12345 → 12.3k, 4200000 → 4.2M */
export function countText(value: number): string {
  if (value < 1000) {
    return String(value);
  }
  const [divisor, unit] = value < 999_950 ? [1e3, 'k'] : [1e6, 'M'];
  return `${Number((value / (divisor as number)).toPrecision(3))}${unit}`;
}

export function costText(cost: number): string {
  return `$${cost.toFixed(cost < 10 ? 3 : 2)}`;
}

/** An explanation of a state's label; '' if the label is clear. */
export function stateGloss(
  { state }: IStatus,
  trans: TranslationBundle
): string {
  switch (state) {
    case 'human':
      return trans.__(
        'You have taken over the run: the agent does nothing until you hand it back'
      );
    case 'died':
      return trans.__(
        'The run’s process is gone; its notebook and record are still there'
      );
    default:
      return '';
  }
}

/** Who wrote a cell, from the runner's metadata: a short label, and a sentence for screen readers. */
export function cellWords(
  cobra: JSONObject,
  trans: TranslationBundle
): { label: string; sentence: string } {
  const { agent, role, brain, person } = cobra;
  if (!agent) {
    return {
      label: trans.__('a person'),
      sentence: trans.__('Written by a person')
    };
  }
  const parts = [agent, role !== agent && role, brain].filter(part => part);
  const name = parts.join(' · ');
  return person
    ? {
        label: trans.__('%1, changed by a person', name),
        sentence: trans.__(
          'Written by the agent (%1), changed by a person',
          name
        )
      }
    : {
        label: name,
        sentence: trans.__('Written by the agent (%1)', name)
      };
}
