import { nullTranslator } from '@jupyterlab/translation';
import { CommandRegistry } from '@lumino/commands';
import { act } from 'react';
import { Simulate } from 'react-dom/test-utils';

import { Api, IStatus, RunState } from '../api';
import { addNewRun } from '../new-run';
import { NewRun } from '../panel/form';
import { revealer } from '../reveal';
import { Run, Runs } from '../runs';
import { CommandIDs } from '../tokens';

(globalThis as any).IS_REACT_ACT_ENVIRONMENT = true;

const PATH = 'runs/c-1/agent.ipynb';
const settle = () => act(() => new Promise(done => setTimeout(done)));

function status(state: RunState, notebook: string | null = PATH): IStatus {
  const agents = [{ name: 'lead', role: 'lead', notebook, busy: false }];
  return { id: 'abc', name: 'c-1', state, agents, elapsed: 0 } as any;
}

/** Start a run in the form; the server answers with `answer`. */
async function start(answer: IStatus) {
  const files = new Set<string>();
  const opened: string[] = [];
  const api = {
    competitions: async () => [{ name: 'c', path: 'c' }],
    brains: async () => ({ default: 'playbook', brains: [] }),
    start: async () => answer
  } as unknown as Api;
  const commands = new CommandRegistry();
  commands.addCommand('docmanager:open', {
    execute: async ({ path }) => {
      if (!files.has(path as string)) {
        throw new Error(`${path} is not there`);
      }
      opened.push(path as string);
    }
  });
  commands.addCommand(CommandIDs.openPanel, { execute: () => undefined });
  commands.addCommand(CommandIDs.openNotebook, {
    execute: () => reveal(runs.current!, 'lead')
  });
  jest.spyOn(Run.prototype, 'channel', 'get').mockReturnValue(null as any);
  const reveal = revealer(commands, { find: () => undefined } as any);
  const runs = new Runs(api);
  let form: NewRun | null = null;
  const shell = {
    add: ({ content }: any) => (form = content),
    activateById: () => undefined
  };
  addNewRun({
    app: { commands },
    runs,
    trans: nullTranslator.load('cobra_jupyter'),
    shell,
    documents: null,
    reveal
  } as any);
  await commands.execute(CommandIDs.newRun);
  const { node } = form! as NewRun;
  document.body.appendChild(node);
  (form! as NewRun).update();
  await settle();
  act(() => Simulate.submit(node.querySelector('form')!));
  await settle();
  const [run] = runs.all;
  const become = async (state: RunState, notebook?: string | null) => {
    run.setStatus(status(state, notebook));
    await settle();
  };
  return { run, runs, files, opened, become, reveal };
}

afterEach(() => jest.restoreAllMocks());

it('opens the notebook of a run that goes', async () => {
  const { run, files, opened, become } = await start(status('running', null));
  files.add(PATH);
  await become('running');
  await become('running');
  expect(opened).toEqual([PATH]);
  expect(run.error).toBe('');
});

it('opens it once, when a start that takes long is through', async () => {
  const { run, files, opened, become } = await start(status('starting'));
  await become('starting');
  expect(opened).toEqual([]);
  files.add(PATH);
  await become('running');
  await become('paused');
  expect(opened).toEqual([PATH]);
  expect(run.error).toBe('');
});

it('opens nothing of a run that failed before it had begun', async () => {
  const { run, opened, become } = await start(status('starting'));
  await become('failed');
  await become('running');
  expect(opened).toEqual([]);
  expect(run.error).toBe('');
});

it('says why a notebook cannot be opened', async () => {
  const { run, reveal } = await start(status('failed'));
  reveal(run, 'lead');
  await settle();
  expect(run.error).toBe(`${PATH} is not there`);
});
