import { ServerConnection } from '@jupyterlab/services';

import { CallError, Channel, Dropped, IEvent } from '../channel';

class FakeSocket {
  static all: FakeSocket[] = [];

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }

  sent: any[] = [];
  bufferedAmount = 0;
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onmessage: ((message: { data: string }) => void) | null = null;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.onclose?.();
  }

  receive(frame: object): void {
    this.onmessage?.({ data: JSON.stringify(frame) });
  }
}

let opened: Channel | null = null;

function open(extra: object = {}) {
  FakeSocket.all = [];
  const settings = ServerConnection.makeSettings({
    baseUrl: 'http://host/user/ada/',
    wsUrl: 'ws://host/user/ada/',
    WebSocket: FakeSocket as any,
    ...extra
  });
  opened?.dispose();
  const channel = (opened = new Channel('abc', settings));
  const events: IEvent[] = [];
  channel.event.connect((_, event) => events.push(event));
  return { channel, events, socket: FakeSocket.all[0] };
}

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

it('connects below the base URL, with the token where it must be appended', () => {
  expect(open({ token: '', appendToken: false }).socket.url).toBe(
    'ws://host/user/ada/cobra/runs/abc/channel'
  );
  expect(open({ token: 'a b', appendToken: true }).socket.url).toBe(
    'ws://host/user/ada/cobra/runs/abc/channel?token=a%20b'
  );
});

it('matches answers and errors to calls', async () => {
  const { channel, socket } = open();
  socket.onopen!();
  const first = channel.call('watch');
  const second = channel.call('edit', { edits: [] });
  const [{ id: one }, { id: two, args }] = socket.sent;
  expect(args).toEqual({ edits: [] });
  const message = 'no such agent';
  socket.receive({ id: two, error: { kind: 'Unknown', message } });
  socket.receive({ id: one, answer: { status: 1 } });
  await expect(first).resolves.toEqual({ status: 1 });
  await expect(second).rejects.toThrow(new CallError('Unknown', message));
});

it('knows whether a runner is there', () => {
  const { channel, socket, events } = open();
  socket.onopen!();
  expect(channel.attached).toBe(false);
  socket.receive({ event: 'attached' });
  expect(channel.attached).toBe(true);
  socket.receive({ event: 'detached', status: {} });
  expect(channel.attached).toBe(false);
  expect(events.map(({ event }) => event)).toEqual(['attached', 'detached']);
});

it('refuses calls while there is no connection and ends those under way', async () => {
  const { channel, socket } = open();
  await expect(channel.call('watch')).rejects.toThrow(Dropped);
  socket.onopen!();
  const call = channel.call('watch');
  socket.close();
  await expect(call).rejects.toThrow(Dropped);
  expect(channel.connected).toBe(false);
});

it('connects again forever, waiting longer and longer, at most some seconds', () => {
  const { channel, socket } = open();
  socket.onopen!();
  socket.close();
  for (let attempt = 1; attempt < 30; attempt++) {
    jest.advanceTimersByTime(13_000);
    expect(FakeSocket.all).toHaveLength(attempt + 1);
    FakeSocket.all[attempt].close();
  }
  FakeSocket.all[29].onopen?.();
  channel.dispose();
  jest.advanceTimersByTime(60_000);
  expect(FakeSocket.all).toHaveLength(30);
});

it('hurries when the machine is online again', () => {
  const { socket } = open();
  for (let attempt = 0; attempt < 5; attempt++) {
    FakeSocket.all[attempt].close();
    jest.advanceTimersByTime(13_000);
  }
  FakeSocket.all[5].close();
  window.dispatchEvent(new Event('online'));
  expect(FakeSocket.all).toHaveLength(7);
  expect(socket.sent).toEqual([]);
});

describe('A connection whose other end is gone without a word', () => {
  const pings = ({ sent }: FakeSocket) =>
    sent.filter(({ call }) => call === 'ping');

  it('is given up, and made anew', async () => {
    const { channel, socket } = open();
    socket.onopen!();
    socket.close = () => undefined; // the browser waits for the other end
    const call = channel.call('edit');
    jest.advanceTimersByTime(20_000);
    expect(pings(socket)).toHaveLength(1);
    expect(channel.connected).toBe(true);
    jest.advanceTimersByTime(8_000);
    await expect(call).rejects.toThrow(Dropped);
    expect(channel.connected).toBe(false);
    jest.advanceTimersByTime(1_000);
    expect(FakeSocket.all).toHaveLength(2);
    FakeSocket.all[1].onopen!();
    socket.onclose!();
    socket.receive({ event: 'attached' });
    expect(channel.connected).toBe(true);
    expect(channel.attached).toBe(false);
  });

  it('is one that answers nothing, not one that turns the call down', () => {
    const { channel, socket } = open();
    socket.onopen!();
    for (let minute = 0; minute < 5; minute++) {
      jest.advanceTimersByTime(20_000);
      const { id } = pings(socket)[minute];
      const error = { kind: 'Malformed', message: 'no such call' };
      socket.receive({ id, error });
      jest.advanceTimersByTime(8_000);
      jest.advanceTimersByTime(12_000);
      socket.receive({ event: 'status' });
      jest.advanceTimersByTime(0);
    }
    expect(channel.connected).toBe(true);
    expect(FakeSocket.all).toHaveLength(1);
  });

  it('is looked for at once when the machine wakes', () => {
    const { channel, socket } = open();
    socket.onopen!();
    window.dispatchEvent(new Event('online'));
    document.dispatchEvent(new Event('visibilitychange'));
    expect(pings(socket)).toHaveLength(1);
    jest.advanceTimersByTime(8_000);
    expect(channel.connected).toBe(false);
  });

  it('is waited for while it gives or takes much', () => {
    const { channel, socket } = open();
    socket.onopen!();
    void channel.call('follow').catch(() => undefined);
    jest.advanceTimersByTime(20_000 + 50_000);
    expect(channel.connected).toBe(true);
    socket.receive({ id: 1, answer: {} });
    socket.bufferedAmount = 10;
    window.dispatchEvent(new Event('online'));
    socket.bufferedAmount = 5;
    jest.advanceTimersByTime(8_000);
    expect(channel.connected).toBe(true);
    jest.advanceTimersByTime(8_000);
    expect(channel.connected).toBe(false);
  });

  it('is not waited for while it is made', () => {
    open();
    jest.advanceTimersByTime(31_000);
    expect(FakeSocket.all).toHaveLength(2);
  });
});
