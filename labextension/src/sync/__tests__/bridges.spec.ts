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

it('A run that was not listed for a while is followed again over its new channel', async () => {
  const disposed = { connect: () => undefined };
  const model = { getMetadata: () => ({ seq: 1 }) };
  const context = { path: 'n', ready: null, disposed, model };
  const panel = { context, disposed, revealed: null };
  const found = { run: { channel: 'old' }, agent: { name: 'lead' } };
  const runs: any = { ofNotebook: () => found, refresh: async () => undefined };
  runs.changed = new Signal(runs);
  const contents: any = { localPath: (path: string) => path };
  new Bridges(runs, contents, {} as any).track({
    forEach: (each: (panel: any) => void) => each(panel),
    widgetAdded: disposed
  } as any);
  await new Promise(resolve => setTimeout(resolve));
  found.run = { channel: 'new' };
  runs.changed.emit(undefined);
  expect(mockConnect).toHaveBeenLastCalledWith('new', 'lead');
});
