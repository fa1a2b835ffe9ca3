import { nullTranslator } from '@jupyterlab/translation';

import { IScore, IStatus, RunState } from '../api';
import {
  cellWords,
  clock,
  costText,
  countText,
  isPossible,
  remaining,
  scoreText,
  span,
  stateHint,
  stateWords
} from '../words';

const trans = nullTranslator.load('cobra_jupyter');
const score = (value: number, se: number | null): IScore => ({
  score: value,
  se,
  metric: 'log_loss',
  direction: 'minimize',
  what: ''
});
const status = (state: RunState, resumable = false) =>
  ({ state, resumable }) as IStatus;

test.each([
  [0, '0:00'],
  [75, '1:15'],
  [3700, '1:01:40'],
  [-3, '0:00']
])('clock %d', (seconds, text) => expect(clock(seconds)).toBe(text));

test.each([
  [45, '45 s'],
  [600, '10 min'],
  [3590, '1 h'],
  [5400, '1 h 30 min'],
  [86400, '24 h']
])('span %d', (seconds, text) => expect(span(seconds, trans)).toBe(text));

test.each([
  [75.4, '1:15'],
  [119.9, '2:00'],
  [120, '2 min'],
  [719, '11 min'],
  [7300, '2 h 1 min']
])('remaining %d', (seconds, text) =>
  expect(remaining(seconds, trans)).toBe(text)
);

test.each([
  [0.0831842, 0.011998, '0.083 ± 0.012'],
  [0.99875, 0.0008, '0.99875 ± 0.00080'],
  [54.321, 2.4, '54.3 ± 2.4'],
  [0.123456789, null, '0.12346'],
  [0.5, 0, '0.5']
])('score %d ± %d', (value, se, text) =>
  expect(scoreText(score(value, se))).toBe(text)
);

test.each([
  [0, '0'],
  [950, '950'],
  [12345, '12.3k'],
  [999_960, '1M'],
  [4_200_000, '4.2M']
])('count %d', (value, text) => expect(countText(value)).toBe(text));

test('cost', () => {
  expect(costText(0.0123)).toBe('$0.012');
  expect(costText(12.345)).toBe('$12.35');
});

describe('What is possible', () => {
  it.each<[RunState, string]>([
    ['starting', 'pause stop'],
    ['running', 'pause interrupt stop take-over'],
    ['pausing', 'interrupt stop take-over'],
    ['paused', 'resume step stop take-over'],
    ['human', 'stop hand-back'],
    ['waiting', 'pause interrupt stop take-over'],
    ['finished', '']
  ])('when %s', (state, expected) => {
    const actions = [
      'pause',
      'resume',
      'step',
      'interrupt',
      'stop',
      'take-over',
      'hand-back'
    ] as const;
    const possible = actions.filter(one => isPossible(one, status(state)));
    expect(possible.join(' ')).toBe(expected);
  });

  it('resumes what died, where it can be resumed', () => {
    expect(isPossible('resume', status('died', true))).toBe(true);
    expect(isPossible('resume', status('died', false))).toBe(false);
  });
});

test('each state has words', () => {
  const states: RunState[] = [
    'starting',
    'running',
    'pausing',
    'paused',
    'human',
    'waiting',
    'stopped',
    'finished',
    'failed',
    'died'
  ];
  const labels = states.map(state => stateWords(status(state), trans).label);
  expect(new Set(labels).size).toBe(states.length);
});

test.each<[RunState, string]>([
  ['paused', 'No new step until you resume; background jobs go on.'],
  ['human', 'Edit and run cells'],
  ['failed', 'because'],
  ['waiting', 'because']
])('of a run that is %s it is said: %s', (state, hint) => {
  const said = stateHint({ ...status(state), why: 'because' }, trans);
  expect(said.startsWith(hint)).toBe(true);
});

test.each([
  [{ agent: 'lead', role: 'lead' }, 'lead', 'Written by the agent (lead)'],
  [
    { agent: 's1', role: 'scout' },
    's1 · scout',
    'Written by the agent (s1 · scout)'
  ],
  [
    { agent: 'lead', role: 'lead', brain: 'playbook' },
    'lead · playbook',
    'Written by the agent (lead · playbook)'
  ],
  [{ person: true }, 'a person', 'Written by a person'],
  [
    { agent: 'lead', person: true },
    'lead, changed by a person',
    'Written by the agent (lead), changed by a person'
  ]
])('of cells with %p it is told whose they are', (cobra, label, sentence) => {
  expect(cellWords(cobra, trans)).toEqual({ label, sentence });
});
