import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import * as React from 'react';
import { Simulate } from 'react-dom/test-utils';

import { Api, IStatus } from '../../api';
import { addControls } from '../../commands';
import { IRuns, Run } from '../../runs';
import { Controls, Links } from '../controls';
import { Place } from './rendered';

const { act } = React;
const trans = nullTranslator.load('cobra_jupyter');
const agents = [
  { name: 'lead', role: 'lead', notebook: 'runs/c-1/agent.ipynb', busy: false }
];

const place = new Place();

/** The panel's part about a run. → what the server was asked */
function show(part: typeof Controls, status: Partial<IStatus>): jest.Mock {
  const asked = jest.fn(async () => status);
  const run = new Run(
    { act: asked } as unknown as Api,
    { id: 'abc', agents, ...status } as IStatus
  );
  const runs = { current: run } as unknown as IRuns;
  const commands = new CommandRegistry();
  addControls({ commands, runs, trans });
  const Part = part as React.FunctionComponent<any>;
  place.show(
    <Part {...{ run, runs, commands, trans }} reveal={() => undefined} />
  );
  return asked;
}

describe('Resume of a run that is gone', () => {
  const gone: Partial<IStatus> = {
    state: 'died',
    resumable: true,
    elapsed: 570,
    budget: 600
  };

  it.each([
    [' 10m ', { more: '10m' }],
    ['', {}]
  ])('with %p in its field asks for %p', (text, body) => {
    const asked = show(Controls, gone);
    const field = place.node.querySelector('input')!;
    act(() => {
      field.value = text;
      Simulate.change(field);
    });
    act(() => Simulate.submit(place.node.querySelector('form')!));
    expect(asked).toHaveBeenCalledWith('abc', 'resume', body);
  });

  it('is asked for more time, not for the whole of it', () => {
    show(Controls, gone);
    expect(place.node.querySelector('input')!.placeholder).toBe(
      'More time, e.g. 10m; empty: what was left'
    );
  });
});

describe('Open notebook', () => {
  const button = () => place.node.querySelector('button')!;

  it('waits while the run starts, and says why', () => {
    show(Links, { state: 'starting' });
    expect(button().disabled).toBe(true);
    expect(button().title).toBe(
      'The run starts: its notebook is not there yet'
    );
  });

  it('is there when the run goes, and when it is over', () => {
    show(Links, { state: 'running' });
    expect(button().disabled).toBe(false);
    show(Links, { state: 'died' });
    expect(button().disabled).toBe(false);
  });
});
