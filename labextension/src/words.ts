import { TranslationBundle } from '@jupyterlab/translation';
import { JSONObject } from '@lumino/coreutils';

import { Action, IScore, IStatus, RunState } from './api';

/** States that have a reason of their own; of the others it is said what can be done now. */
const REASONED: ReadonlySet<RunState> = new Set([
  'waiting',
  'stopped',
  'finished',
  'failed',
  'died'
]);

/** What is said below the state: why it is so, or what it means. */
export function stateHint(status: IStatus, trans: TranslationBundle): string {
  const why = REASONED.has(status.state) ? status.why : '';
  return why || stateWords(status, trans).meaning;
}

/** A state, and what it means for who looks at the run. */
export function stateWords(
  status: IStatus,
  trans: TranslationBundle
): { label: string; meaning: string } {
  switch (status.state) {
    case 'starting':
      return {
        label: trans.__('Starting'),
        meaning: trans.__('The competition is read and the kernel starts.')
      };
    case 'running':
      return {
        label: trans.__('Running'),
        meaning: trans.__('The agent works in the notebook.')
      };
    case 'pausing':
      return {
        label: trans.__('Pausing'),
        meaning: trans.__('It pauses when the present cell is done.')
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
          'Edit and run cells; the agent reads what you did when you hand back.'
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
        meaning: trans.__('Its process ended without saying how.')
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

/** Whether the notebook can be opened: while a run starts its file may not be there yet. */
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

/** 75 → 1:15, 700 → 11 min: it changes rarely, since each change draws the page anew, a long notebook with it. */
export function remaining(seconds: number, trans: TranslationBundle): string {
  return seconds < 120
    ? clock(seconds)
    : span(60 * Math.floor(seconds / 60), trans);
}

/** A score with as many digits as its standard error leaves a meaning. */
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

/** What a state's label may leave open; '' where it says all. */
export function stateGloss(
  { state }: IStatus,
  trans: TranslationBundle
): string {
  switch (state) {
    case 'human':
      return trans.__(
        'You have taken the run over: the agent does nothing until you hand it back'
      );
    case 'died':
      return trans.__(
        'The run’s process is not there any more; its notebook and its record are'
      );
    default:
      return '';
  }
}

/** Whose a cell is, by the metadata that the runner gave it: in short, and in a sentence to be read out. */
export function cellWords(
  cobra: JSONObject,
  trans: TranslationBundle
): { label: string; sentence: string } {
  const { agent, role, person } = cobra;
  if (!agent) {
    return {
      label: trans.__('a person'),
      sentence: trans.__('Written by a person')
    };
  }
  const name = role && role !== agent ? `${agent} · ${role}` : `${agent}`;
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
