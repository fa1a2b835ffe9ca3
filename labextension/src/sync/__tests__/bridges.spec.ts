import { Signal } from '@lumino/signaling';

import { Bridges } from '../bridges';

const mockConnect = jest.fn();
jest.mock('../bridge', () => ({
  Bridge: class {
    connected = true;
    show = () => undefined;
    connect = mockConnect;
  }
}));

interface IWorld {
  runs: any;
  reopened: string[];
}

/** A notebook with a run's metadata is open. → the page's runs, and which paths were opened again */
async function opened(collaborative: boolean, runs: any): Promise<IWorld> {
  const disposed = { connect: () => undefined };
  const model = { getMetadata: () => ({ seq: 1 }), collaborative };
  const context = { path: 'n', ready: null, disposed, model };
  const panel = { context, disposed, revealed: null };
  runs.changed = new Signal(runs);
  const contents: any = { localPath: (path: string) => path };
  const reopened: string[] = [];
  const bridges = new Bridges(runs, contents, {} as any, path =>
    reopened.push(path)
  );
  bridges.track({
    forEach: (each: (panel: any) => void) => each(panel),
    widgetAdded: disposed
  } as any);
  await new Promise(resolve => setTimeout(resolve));
  return { runs, reopened };
}

beforeEach(() => mockConnect.mockClear());

it('A run that was not listed for a while is followed again over its new channel', async () => {
  const found = { run: { channel: 'old' }, agent: { name: 'lead' } };
  const { runs } = await opened(false, {
    ofNotebook: () => found,
    refresh: async () => undefined
  });
  found.run = { channel: 'new' };
  runs.changed.emit(undefined);
  expect(mockConnect).toHaveBeenLastCalledWith('new', 'lead');
});

/** Runs of which one is known only once the list was read again. */
function unlisted(isRun: boolean): any {
  let listed = false;
  return {
    ofNotebook: () =>
      listed && isRun
        ? { run: { channel: 'c' }, agent: { name: 'lead' } }
        : null,
    refresh: async () => {
      listed = true;
    }
  };
}

it.each([
  ['a shared document of a run', true, true, ['n']],
  ['a shared copy of no run', true, false, []],
  ['a run that is not shared', false, true, []]
])(
  'Of %s (shared %p, a run %p) these are opened again: %p',
  async (_, shared, isRun, paths) => {
    const { runs, reopened } = await opened(shared, unlisted(isRun));
    runs.changed.emit(undefined);
    expect(reopened).toEqual(paths);
    const follows = isRun && !shared;
    expect(mockConnect).toHaveBeenCalledTimes(follows ? 2 : 0);
  }
);
