import { nullTranslator } from '@jupyterlab/translation';
import * as React from 'react';

import { Api, ILogEntry, IStatus } from '../../api';
import { Run } from '../../runs';
import { Figures } from '../figures';
import { Log } from '../log';
import { Place } from './rendered';

const trans = nullTranslator.load('cobra_jupyter');
const WRITTEN_BY =
  'playbook (2 turns). gemini, which was asked to lead, wrote none: no answer';
const LOG: ILogEntry[] = [
  {
    line: 4,
    at: 1,
    kind: 'step',
    agent: 'lead',
    text: 'Look',
    written_by: 'gemini'
  },
  { line: 5, at: 2, kind: 'score', agent: 'lead', text: 'ridge 0.5' }
];

const place = new Place();

function show(part: typeof Log, status: Partial<IStatus>): void {
  const run = new Run({} as Api, { agents: [], ...status } as any as IStatus);
  run.log = LOG;
  const Part = part as React.FunctionComponent<any>;
  place.show(<Part {...{ run, trans }} />);
}

it('The log says which brain wrote each step, and of nothing else', () => {
  show(Log, {});
  const entries = [...place.node.querySelectorAll('.jp-cobra-log-text')];
  expect(entries.map(({ textContent }) => textContent)).toEqual([
    'ridge 0.5',
    'Look by gemini'
  ]);
});

it('The figures say who wrote the run, in whole', () => {
  show(Figures, {
    best: null,
    submitted: null,
    trials: 0,
    cost: null,
    turn: 2,
    brain: 'gemini',
    written_by: WRITTEN_BY
  });
  expect(place.node.textContent).toContain(`Written by${WRITTEN_BY}`);
});
