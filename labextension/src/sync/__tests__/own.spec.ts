import { Signal } from '@lumino/signaling';

import { Sync } from '../sync';
import { OwnRuns } from '../own';

/** A tab's session and its sync, as far as own runs need them. */
function open() {
  const kernel: any = { connectionStatus: 'connected' };
  kernel.anyMessage = new Signal(kernel);
  const session: any = { session: { kernel }, kernelDisplayStatus: 'idle' };
  session.kernelChanged = new Signal(session);
  session.connectionStatusChanged = new Signal(session);
  const told: string[] = [];
  const shown: any[] = [];
  const sync: any = {
    following: false,
    client: 'me',
    view: {
      shared: () => ({}),
      code: () => ({}),
      silently: (change: () => void) => change()
    },
    writer: { setResult: (cell: any) => shown.push(cell) },
    flush: async () => undefined,
    call: async (name: string, args: any) => {
      if (name === 'cell') {
        return { cell: args.cell_id };
      }
      told.push(`${name} ${args.cell_id} ${args.msg_id}`);
    }
  };
  sync.applied = new Signal(sync);
  sync.followed = new Signal(sync);
  sync.whole = new Signal(sync);
  const own = new OwnRuns(session);
  own.connect(sync as Sync);
  let number = 0;
  const run = (id: string) =>
    kernel.anyMessage.emit({
      direction: 'send',
      msg: {
        header: { msg_type: 'execute_request', msg_id: `m${++number}` },
        metadata: { cellId: id }
      }
    });
  const follow = () => {
    sync.following = true;
    sync.followed.emit(undefined);
  };
  const ends = (cell_id: string, by = 'me') => {
    const count = { op: 'count', cell_id, by, data: { count: 1 } };
    sync.applied.emit(count);
    sync.applied.emit({ ...count, op: 'state', data: { state: 'idle' } });
  };
  const comes = (...running: string[]) => sync.whole.emit(new Set(running));
  return { own, told, shown, run, follow, ends, comes };
}

beforeEach(() => jest.useFakeTimers());

afterEach(() => jest.useRealTimers());

it('A cell run while the runner could not be told is told of when it can', () => {
  const { own, told, run, follow } = open();
  run('a');
  own.resume();
  expect(told).toEqual([]);
  follow();
  expect(told).toEqual(['ran a m1']);
  follow();
  expect(told).toHaveLength(1);
});

it('A cell run where there was no runner is not, and its outputs are no longer this tab’s alone', () => {
  const { own, told, run, follow } = open();
  run('before');
  own.leave();
  run('alone');
  expect([...own.keys()]).toEqual(['before', 'alone']);
  own.resume();
  follow();
  expect(told).toEqual([]);
  expect(own.size).toBe(0);
  run('after');
  expect(told).toEqual(['ran after m3']);
});

it('A cell that is run twice is this tab’s until both executions have ended', async () => {
  const { own, told, run, follow, ends } = open();
  follow();
  run('a');
  run('a');
  expect(told).toEqual(['ran a m1', 'ran a m2']);
  ends('a');
  await jest.advanceTimersByTimeAsync(3000);
  expect(own.has('a')).toBe(true);
  ends('a');
  expect(own.has('a')).toBe(true);
  await jest.advanceTimersByTimeAsync(3000);
  expect(own.has('a')).toBe(false);
});

it('A cell that is run again soon after it has ended stays this tab’s', async () => {
  const { own, run, follow, ends } = open();
  follow();
  run('a');
  ends('a');
  await jest.advanceTimersByTimeAsync(1000);
  run('a');
  ends('a', 'another');
  await jest.advanceTimersByTimeAsync(3000);
  expect(own.has('a')).toBe(true);
});

it('Each execution that the runner could not be told of is told of', async () => {
  const { told, run, follow } = open();
  run('a');
  run('a');
  follow();
  expect(told).toEqual(['ran a m1', 'ran a m2']);
});

it('A cell that ended while the tab was away shows what the run has of it, when the whole notebook comes', async () => {
  const { own, shown, run, follow, comes } = open();
  follow();
  run('ended');
  run('runs');
  comes('runs');
  await jest.advanceTimersByTimeAsync(3000);
  expect([...own.keys()]).toEqual(['runs']);
  expect(shown).toEqual(['ended']);
});

it('A cell that the runner has not been told of is not over because it knows nothing of it', async () => {
  const { own, shown, run, comes } = open();
  run('untold');
  comes();
  await jest.advanceTimersByTimeAsync(3000);
  expect([...own.keys()]).toEqual(['untold']);
  expect(shown).toEqual([]);
});
