import { NotebookModel } from '@jupyterlab/notebook';

import { CallError } from '../../channel';
import { DEBOUNCE } from '../outbox';
import { Sync } from '../sync';
import { cellOf, FakeRunner, settled } from './fake';

const SOON = DEBOUNCE + 60;

// not `performance`: by it a tab applies operations in slices
beforeEach(() => jest.useFakeTimers({ doNotFake: ['performance'] }));

function open(...sources: string[]) {
  const cells = sources.map(source => cellOf(source));
  const model = new NotebookModel();
  model.fromJSON({
    cells: JSON.parse(JSON.stringify(cells)),
    metadata: { cobra: { seq: 0 } } as any,
    nbformat: 4,
    nbformat_minor: 5
  });
  model.dirty = false;
  model.sharedModel.clearUndoHistory();
  const runner = new FakeRunner(cells);
  runner.forgetful = !cells.length;
  const own = new Map<string, unknown>();
  const sync = new Sync({ model, client: 'me', own });
  sync.connect(runner, 'cobra');
  const shared = model.sharedModel;
  return { model, shared, runner, sync, own };
}

async function following(...sources: string[]) {
  const all = open(...sources);
  all.runner.attach();
  await settled();
  return all;
}

const sources = (model: NotebookModel) =>
  model.sharedModel.cells.map(cell => cell.source);
const code = (model: NotebookModel, at: number) => model.cells.get(at) as any;
const stream = (text: string) => ({
  output: { output_type: 'stream', name: 'stdout', text },
  clear: false
});

describe('What the runner does', () => {
  it('appears in the notebook, which stays clean and cannot be undone', async () => {
    const { model, shared, runner } = await following('a', 'b');
    runner.insert('x', 'a');
    runner.act('source', 'x', { text: '+1', append: true });
    runner.act('source', 'b', { text: 'B', append: false });
    runner.insert('note', null, '# Title', 'markdown');
    runner.act('move', 'b', { after: null });
    expect(sources(model)).toEqual(['B', '# Title', 'a', 'x+1']);
    expect(model.dirty).toBe(false);
    expect(shared.canUndo()).toBe(false);
    expect(shared.cells[3].canUndo()).toBe(false);
    await settled(SOON);
    expect(runner.edits()).toEqual([]);
  });

  it('shows outputs, counts and states, each once', async () => {
    const { model, runner } = await following('a');
    runner.act('state', 'a', { state: 'running' });
    expect(code(model, 0).executionState).toBe('running');
    runner.act('output', 'a', stream('one\n'));
    runner.act('output', 'a', stream('50%\r100%'));
    runner.act('output', 'a', {
      output: {
        output_type: 'display_data',
        data: { 'text/plain': 'old' },
        metadata: {},
        transient: { display_id: 'd' }
      },
      clear: false
    });
    runner.act('update_display', 'a', {
      display_id: 'd',
      data: { 'text/plain': 'new' },
      metadata: {},
      targets: [['a', 1]]
    });
    runner.act('count', 'a', { count: 4 });
    runner.act('state', 'a', { state: 'idle' });
    const outputs = code(model, 0).outputs.toJSON();
    expect(outputs).toHaveLength(2);
    expect(outputs[0].text).toBe('one\n100%');
    expect(outputs[1].data['text/plain']).toBe('new');
    expect(code(model, 0).executionCount).toBe(4);
    expect(code(model, 0).executionState).toBe('idle');
    expect(model.sharedModel.toJSON().cells[0].outputs).toHaveLength(2);
    expect(model.dirty).toBe(false);
    runner.act('clear', 'a', { wait: true });
    expect(code(model, 0).outputs.length).toBe(2);
    runner.act('output', 'a', { ...stream('three'), clear: true });
    expect(code(model, 0).outputs.toJSON()).toEqual([stream('three').output]);
    await settled(SOON);
    expect(runner.edits()).toEqual([]);
  });

  it('is ignored when it is not new or of another agent', async () => {
    const { model, runner } = await following('a');
    runner.insert('x', 'a');
    runner.event.emit(runner.operations[0]);
    runner.event.emit({ ...runner.operations[0], agent: 'scout', seq: 9 });
    expect(sources(model)).toEqual(['a', 'x']);
  });

  it('does not touch a text that the person is changing', async () => {
    const { model, shared, runner } = await following('a', 'b');
    shared.cells[0].setSource('mine');
    runner.act('source', 'a', { text: 'theirs', append: false });
    runner.act('source', 'b', { text: 'B', append: false });
    runner.act('output', 'a', stream('out'));
    expect(sources(model)).toEqual(['mine', 'B']);
    expect(code(model, 0).outputs.length).toBe(1);
    await settled(SOON);
    expect(runner.sources()).toEqual(['mine', 'B']);
    expect(model.dirty).toBe(false);
  });

  it('brings a cell back that it deletes under the hands of a person', async () => {
    const { model, shared, runner } = await following('a', 'b');
    shared.cells[1].setSource('mine');
    runner.act('delete', 'b');
    runner.act('delete', 'a');
    expect(sources(model)).toEqual(['mine']);
    await settled(SOON);
    expect(runner.sources()).toEqual(['mine']);
  });

  it('comes in while the cursor stands in a cell', async () => {
    const { shared, runner } = await following('a');
    const changes: any[] = [];
    shared.cells[0].changed.connect((_, change) =>
      changes.push((change as any).sourceChange)
    );
    runner.act('source', 'a', { text: 'one two three', append: false });
    runner.act('source', 'a', { text: 'one 2 three', append: false });
    expect(changes[1]).toEqual([{ retain: 4 }, { insert: '2' }, { delete: 3 }]);
  });
});

describe('What a person does', () => {
  it('is sent after a rest, in one call', async () => {
    const { shared, runner, model } = await following('a');
    shared.cells[0].setSource('a1');
    shared.cells[0].setSource('a12');
    expect(model.dirty).toBe(true);
    await settled(DEBOUNCE / 2);
    expect(runner.edits()).toEqual([]);
    await settled(SOON);
    expect(runner.edits()).toEqual([
      { edit: 'source', cell_id: 'a', text: 'a12', was: 'a' }
    ]);
    expect(model.dirty).toBe(false);
    expect(shared.cells[0].getMetadata('cobra')).toEqual({
      agent: 'cobra',
      person: true
    });
  });

  it('is sent at once when that is asked for', async () => {
    const { shared, runner, sync } = await following('a');
    shared.insertCell(1, cellOf('n', 'new'));
    await sync.flush(true);
    expect(runner.sources()).toEqual(['a', 'new']);
  });

  it('goes out for inserted, deleted, moved, split, merged and changed cells', async () => {
    const { shared, runner, sync } = await following('a', 'b', 'c', 'd');
    shared.moveCell(3, 0);
    await sync.flush();
    expect(runner.sources()).toEqual(['d', 'a', 'b', 'c']);
    shared.transact(() => {
      shared.insertCell(1, cellOf('n', 'first half'));
      shared.cells[1].setSource('second half');
    });
    await sync.flush();
    expect(runner.sources()).toEqual(shared.cells.map(cell => cell.source));
    shared.transact(() => {
      shared.cells[3].setSource('b\nc');
      shared.deleteCell(4);
    });
    await sync.flush();
    expect(runner.sources()).toEqual(shared.cells.map(cell => cell.source));
    expect(runner.cells).toHaveLength(4);
    shared.transact(() => {
      shared.deleteCell(0);
      shared.insertCell(0, cellOf('d', '# d', 'markdown'));
    });
    await sync.flush();
    expect(runner.edits().pop()).toMatchObject({ edit: 'replace' });
    expect(runner.cells[0].cell_type).toBe('markdown');
    shared.cells[0].setMetadata('tags', ['t']);
    shared.cells[0].setMetadata('trusted', true);
    await sync.flush();
    expect(runner.edits().pop()).toEqual({
      edit: 'metadata',
      cell_id: 'd',
      patch: { tags: ['t'] }
    });
  });

  it('follows undo and redo', async () => {
    const { shared, runner, sync } = await following('a', 'b');
    shared.deleteCell(0);
    await sync.flush();
    expect(runner.sources()).toEqual(['b']);
    shared.undo();
    await sync.flush();
    expect(runner.sources()).toEqual(['a', 'b']);
    shared.redo();
    await sync.flush();
    expect(runner.sources()).toEqual(['b']);
  });

  it('says once that it was refused, and not again until it is changed', async () => {
    const { shared, runner, sync, model } = await following('a');
    const messages: string[] = [];
    sync.refused.connect((_, { message }) => messages.push(message));
    runner.refuse = edit => (edit.text === 'bad' ? 'no' : null);
    shared.cells[0].setSource('bad');
    await settled(3 * SOON);
    expect(messages).toEqual(['no']);
    expect(runner.edits()).toHaveLength(1);
    expect(model.dirty).toBe(true);
    shared.cells[0].setSource('good');
    await settled(SOON);
    expect(runner.sources()).toEqual(['good']);
    expect(model.dirty).toBe(false);
  });

  it('clears outputs, but not because a cell is run anew', async () => {
    const { model, runner, sync, own } = await following('a');
    runner.act('output', 'a', stream('out'));
    runner.act('count', 'a', { count: 1 });
    own.set('a', {});
    code(model, 0).clearExecution();
    code(model, 0).executionState = 'running';
    await sync.flush();
    expect(runner.edits()).toEqual([]);
    code(model, 0).outputs.add(stream('mine').output);
    code(model, 0).executionCount = 2;
    code(model, 0).executionState = 'idle';
    runner.act('output', 'a', stream('mine'), 'me');
    runner.act('count', 'a', { count: 2 }, 'me');
    own.delete('a');
    expect(code(model, 0).outputs.toJSON()).toEqual([stream('mine').output]);
    code(model, 0).clearExecution();
    await sync.flush();
    expect(runner.edits()).toEqual([{ edit: 'clear', cell_id: 'a' }]);
  });

  it('is kept from the ears of its own echo', async () => {
    const { shared, runner, sync } = await following('a');
    shared.cells[0].setSource('one');
    const sent = sync.flush();
    shared.cells[0].setSource('one two');
    await sent;
    expect(shared.cells[0].source).toBe('one two');
    await settled(SOON);
    expect(runner.sources()).toEqual(['one two']);
  });
});

describe('What is sent while earlier edits are under way', () => {
  async function slow(...sources: string[]) {
    const all = await following(...sources);
    let release = () => undefined as void;
    all.runner.slow = new Promise(resolve => (release = resolve));
    return { ...all, release };
  }

  it('begins where they ended', async () => {
    const { shared, runner, sync, release, model } = await slow('a b');
    shared.cells[0].setSource('xa b');
    void sync.flush();
    shared.cells[0].setSource('xa by');
    void sync.flush(true);
    void sync.flush(true);
    await settled();
    expect(runner.edits().map(({ was, text }) => [was, text])).toEqual([
      ['a b', 'xa b'],
      ['xa b', 'xa by']
    ]);
    release();
    await settled(SOON);
    expect(runner.sources()).toEqual(['xa by']);
    expect(sources(model)).toEqual(['xa by']);
    expect(model.dirty).toBe(false);
    expect(runner.edits()).toHaveLength(2);
  });

  it('is not in the way of what others do', async () => {
    const { shared, runner, sync, release, model } = await slow('one two');
    shared.cells[0].setSource('one two!');
    void sync.flush();
    await settled();
    runner.act('source', 'one two', { text: 'ONE two', append: false });
    shared.cells[0].setSource('ONE 2 two!');
    void sync.flush(true);
    await settled();
    release();
    await settled(SOON);
    expect(runner.sources()).toEqual(['ONE 2 two!']);
    expect(sources(model)).toEqual(['ONE 2 two!']);
  });

  it('does not insert or delete anything twice', async () => {
    const { shared, runner, sync, release, model } = await slow('a', 'b');
    shared.insertCell(1, cellOf('n', 'new'));
    shared.deleteCell(2);
    void sync.flush();
    await settled();
    shared.cells[1].setSource('newer');
    void sync.flush(true);
    void sync.flush(true);
    await settled();
    expect(runner.edits().map(({ edit }) => edit)).toEqual([
      'delete',
      'insert',
      'source'
    ]);
    release();
    await settled(SOON);
    expect(runner.sources()).toEqual(['a', 'newer']);
    expect(sources(model)).toEqual(['a', 'newer']);
  });

  it('is taken back where the person did', async () => {
    const { shared, runner, sync, release, model } = await slow('a');
    shared.cells[0].setSource('ab');
    shared.insertCell(1, cellOf('n', 'new'));
    void sync.flush();
    await settled();
    shared.cells[0].setSource('a');
    shared.deleteCell(1);
    await sync.flush(true);
    release();
    await settled(2 * SOON);
    expect(runner.sources()).toEqual(['a']);
    expect(sources(model)).toEqual(['a']);
  });
});

describe('Large edits', () => {
  const large = (id: string, size: number) => ({
    ...cellOf(id),
    outputs: [stream('x'.repeat(size)).output]
  });

  it('go out in frames that the server takes, without what is too large', async () => {
    const { shared, runner, sync } = await following('a');
    const refusals: string[] = [];
    sync.refused.connect((_, { kind }) => refusals.push(kind));
    const sizes = [3e6, 3e6, 9e6, 5e6, 9e6, 10];
    shared.insertCells(
      1,
      sizes.map((size, at) => large(`n${at}`, size))
    );
    shared.cells[0].setSource('A');
    await settled(2 * SOON);
    expect(runner.sources()).toEqual(['A', 'n0', 'n1', 'n3', 'n5']);
    const frames = runner.calls.filter(({ name }) => name === 'edit');
    expect(frames.map(({ args }) => args.edits.length)).toEqual([1, 1, 1, 2]);
    expect(refusals).toEqual(['TooLarge']);
    (shared.cells[3] as any).setOutputs([]);
    await settled(SOON);
    expect(runner.sources()).toEqual(['A', 'n0', 'n1', 'n2', 'n3', 'n5']);
    expect(refusals).toEqual(['TooLarge']);
  });
});

it('Where the agent has ended, edits are kept for the next save', async () => {
  const { shared, runner, sync, model } = await following('a');
  const refusals: string[] = [];
  sync.refused.connect((_, { message }) => refusals.push(message));
  runner.turnDown = new CallError('Unknown', "no agent 'lead' works now");
  shared.cells[0].setSource('mine');
  await settled(2 * SOON);
  expect(refusals).toEqual([]);
  expect(sync.following).toBe(false);
  expect(model.dirty).toBe(true);
  runner.turnDown = null;
  await settled(2000);
  expect(runner.sources()).toEqual(['mine']);
});

describe('Where the run went on while the tab was away, and nobody is there to follow', () => {
  async function missed() {
    const all = await following('a', 'b');
    all.runner.drop();
    all.runner.insert('x', 'a');
    all.runner.act('output', 'a', stream('shown'));
    all.runner.act('source', 'b', { text: 'b + more', append: false });
    return all;
  }

  it.each([
    ['the run is over', (runner: FakeRunner) => runner.detach()],
    [
      'the agent has ended',
      (runner: FakeRunner) => {
        runner.ended = true;
        runner.attach();
      }
    ]
  ])('it takes in what it missed: %s', async (_, end) => {
    const { model, runner, sync } = await missed();
    end(runner);
    await settled();
    expect(sources(model)).toEqual(['a', 'x', 'b + more']);
    expect(code(model, 0).outputs.toJSON()[0].text).toBe('shown');
    expect(sync.shadow.seq).toBe(runner.seq);
    expect(sync.following).toBe(false);
    expect(model.dirty).toBe(false);
  });

  it('what the person wrote stays, to be saved', async () => {
    const { model, shared, runner } = await missed();
    shared.cells[0].setSource('mine');
    runner.detach();
    await settled(SOON);
    expect(sources(model)).toEqual(['mine', 'x', 'b + more']);
    expect(model.dirty).toBe(true);
    expect(runner.edits()).toEqual([]);
  });

  it('it asks once', async () => {
    const { runner } = await missed();
    runner.detach();
    await settled();
    runner.detach();
    await settled();
    const asked = runner.calls.filter(({ args }) => args.file);
    expect(asked).toHaveLength(1);
  });

  it('a tab opened afterwards takes it in too', async () => {
    const { model, runner, sync } = open('a');
    sync.dispose();
    runner.insert('x', 'a');
    runner.detached = true;
    const late = new Sync({ model, client: 'late' });
    late.connect(runner, 'cobra');
    await settled();
    expect(sources(model)).toEqual(['a', 'x']);
  });
});

it('What comes of this tab’s own save is not somebody else’s, and what was lost by it is sent again', async () => {
  const { shared, runner, model } = await following('a', 'b');
  runner.act('source', 'a', { text: 'theirs', append: false });
  runner.act('source', 'a', { text: 'saved', append: false }, 'me');
  runner.act('delete', 'b', {}, 'me');
  expect(sources(model)).toEqual(['theirs', 'b']);
  await settled(SOON);
  expect(runner.sources()).toEqual(['theirs', 'b']);
  expect(shared.cells).toHaveLength(2);
});

describe.each([
  ['what was missed', false],
  ['the whole notebook', true]
])('After an interruption, with %s,', (_, forgetful) => {
  it('both sides have everything', async () => {
    const { model, shared, runner } = await following('a', 'b', 'c');
    runner.forgetful = forgetful;
    runner.drop();
    runner.insert('x', 'c');
    runner.act('output', 'x', stream('out'));
    runner.act('count', 'x', { count: 7 });
    runner.act('source', 'b', { text: 'B', append: false });
    runner.act('delete', 'c');
    shared.cells[0].setSource('mine');
    shared.insertCell(3, cellOf('n', 'new'));
    await settled(SOON);
    expect(runner.edits()).toEqual([]);
    expect(model.dirty).toBe(true);
    runner.attach();
    await settled(10);
    expect(runner.sources().sort()).toEqual(['B', 'mine', 'new', 'x']);
    expect(sources(model)).toEqual(runner.sources());
    const at = shared.cells.findIndex(cell => cell.id === 'x');
    expect(code(model, at).outputs.toJSON()).toEqual([stream('out').output]);
    expect(code(model, at).executionCount).toBe(7);
    expect(model.dirty).toBe(false);
  });

  it('an edit that had arrived is not made twice', async () => {
    const { model, shared, runner } = await following('a');
    runner.forgetful = forgetful;
    const call = runner.call.bind(runner);
    runner.call = async (name: string, args: any) => {
      const answer = await call(name, args);
      if (name === 'edit') {
        runner.call = call;
        runner.drop();
        throw new Error('dropped');
      }
      return answer as any;
    };
    shared.insertCell(1, cellOf('n', 'new'));
    shared.cells[0].setSource('mine');
    await settled(SOON);
    runner.attach();
    await settled(SOON);
    expect(runner.sources()).toEqual(['mine', 'new']);
    expect(sources(model)).toEqual(['mine', 'new']);
  });

  it('a text that both changed is the person’s', async () => {
    const { model, shared, runner } = await following('a');
    runner.forgetful = forgetful;
    runner.drop();
    runner.act('source', 'a', { text: 'theirs', append: false });
    shared.cells[0].setSource('mine');
    runner.attach();
    await settled(SOON);
    expect(sources(model)).toEqual(['mine']);
    expect(runner.sources()).toEqual(['mine']);
  });
});

describe('A notebook that is read from its file again', () => {
  it('takes nothing back that came since the file was written', async () => {
    const { model, runner, sync } = await following('a', 'b');
    const file: any = model.toJSON();
    runner.insert('x', 'b');
    runner.act('source', 'a', { text: ' and more', append: true });
    runner.act('output', 'b', stream('out'));
    sync.reload(() => model.fromJSON(file));
    expect(sources(model)).toEqual(['a', 'b']);
    runner.act('source', 'x', { text: '+1', append: true });
    await settled(SOON);
    expect(sources(model)).toEqual(['a and more', 'b', 'x+1']);
    expect(code(model, 1).outputs.toJSON()).toEqual([stream('out').output]);
    expect(runner.edits()).toEqual([]);
    expect(model.dirty).toBe(false);
    expect(model.sharedModel.canUndo()).toBe(false);
    model.sharedModel.cells[0].setSource('mine');
    runner.act('source', 'x', { text: '+2', append: true });
    await settled(SOON);
    expect(runner.sources()).toEqual(['mine', 'b', 'x+1+2']);
    expect(sources(model)).toEqual(['mine', 'b', 'x+1+2']);
  });

  it('lets go of what the person had not sent', async () => {
    const { model, shared, runner, sync } = await following('a');
    const file: any = model.toJSON();
    shared.cells[0].setSource('mine');
    shared.insertCell(1, cellOf('y') as any);
    sync.reload(() => model.fromJSON(file));
    await settled(SOON);
    expect(sources(model)).toEqual(['a']);
    expect(runner.edits()).toEqual([]);
    expect(model.dirty).toBe(false);
  });

  it('is the run’s whatever its age, when the run is found again', async () => {
    const { model, runner, sync } = await following('a');
    const file: any = model.toJSON();
    delete file.metadata.cobra;
    runner.insert('x', 'a');
    runner.drop();
    sync.reload(() => model.fromJSON(file));
    runner.attach();
    await settled(SOON);
    expect(sources(model)).toEqual(['a', 'x']);
    expect(runner.edits()).toEqual([]);
  });
});

describe('The cell that JupyterLab puts into an empty notebook', () => {
  it('gives way to the first of the agent', async () => {
    const { model, shared, runner } = await following();
    expect(sources(model)).toEqual(['']);
    shared.cells[0].setSource('x');
    shared.cells[0].setSource('');
    await settled(SOON);
    runner.insert('a', null);
    expect(sources(model)).toEqual(['a']);
    await settled(SOON);
    expect(runner.edits()).toEqual([]);
  });

  it('stays where the person wrote into it', async () => {
    const { model, shared, runner } = await following();
    shared.cells[0].setSource('mine');
    runner.insert('a', null);
    await settled(SOON);
    expect(sources(model).sort()).toEqual(['a', 'mine']);
    expect(runner.sources()).toEqual(sources(model));
  });
});

it('Changes made before the runner is found are sent when it is', async () => {
  const { shared, runner } = open('a');
  shared.cells[0].setSource('early');
  await settled(SOON);
  runner.attach();
  await settled(10);
  expect(runner.sources()).toEqual(['early']);
});

it('Thousands of operations are applied without holding the page up', async () => {
  const { model, runner, sync } = open('a');
  for (let line = 0; line < 4000; line++) {
    runner.act('output', 'a', stream(`line ${line}\n`));
  }
  runner.attach();
  await settled(SOON);
  await sync.drained();
  const [output] = code(model, 0).outputs.toJSON();
  expect(output.text.split('\n')).toHaveLength(4001);
});

it('A run that comes back with another channel is followed over that one alone', async () => {
  const { model, shared, runner, sync } = await following('a');
  const again = new FakeRunner(JSON.parse(JSON.stringify(runner.cells)));
  runner.drop();
  sync.connect(again, 'cobra');
  again.attach();
  await settled();
  again.insert('x', 'a');
  runner.event.emit({ ...again.operations[0], seq: 9, op: 'delete' });
  expect(sources(model)).toEqual(['a', 'x']);
  shared.cells[0].setSource('mine');
  await settled(SOON);
  expect(again.sources()).toEqual(['mine', 'x']);
  expect(runner.edits()).toEqual([]);
});

it('A whole notebook is announced with the cells that run, before it is taken in', async () => {
  const { runner, sync, model } = open('a');
  const seen: any[] = [];
  sync.whole.connect((_, running) => {
    seen.push([...running], sources(model));
  });
  runner.insert('x', 'a');
  runner.forgetful = true;
  runner.attach();
  await settled();
  expect(seen).toEqual([[], ['a']]);
  expect(sources(model)).toEqual(['a', 'x']);
});

it('A notebook that is closed with unsent changes sends nothing and does not fail', async () => {
  const { model, shared, runner, sync } = await following('a', 'b');
  shared.cells[0].setSource('discarded');
  model.dispose(); // JupyterLab does this before it tells anybody
  await sync.flush(true);
  sync.dispose();
  await settled(SOON);
  expect(runner.edits()).toEqual([]);
});

it('A closed notebook takes nothing more', async () => {
  const { model, shared, runner, sync } = await following('a');
  sync.dispose();
  runner.insert('x', 'a');
  shared.cells[0].setSource('late');
  await settled(SOON);
  expect(sources(model)).toEqual(['late']);
  expect(runner.edits()).toEqual([]);
});
