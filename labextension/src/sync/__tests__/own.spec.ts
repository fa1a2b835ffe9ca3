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
  const sync: any = {
    following: false,
    view: { shared: () => ({}) },
    flush: async () => undefined,
    call: async (name: string, args: any) => {
      told.push(`${name} ${args.cell_id} ${args.msg_id}`);
    }
  };
  sync.applied = new Signal(sync);
  sync.followed = new Signal(sync);
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
  return { own, told, run, follow };
}

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
