import { PageConfig } from '@jupyterlab/coreutils';

import { openAlone } from '../alone';

it.each([
  ['runs/spaceship-1/agent.ipynb', true],
  ['work/runs/a/agents/scout.ipynb', true],
  ['elsewhere/agent.ipynb', true], // a living run's, as the server says
  ['known/agent.ipynb', true],
  ['agent.ipynb', false],
  ['homework/agent.ipynb', false],
  ['agents/mine.ipynb', false],
  ['runs/agent.ipynb', false],
  ['runs/a/notes.ipynb', false],
  ['myruns/a/agent.ipynb', false]
])('%s is opened without a shared document: %p', (path, alone) => {
  PageConfig.setOption('cobraNotebooks', '["elsewhere/agent.ipynb"]');
  const shared = {};
  const contents: any = {
    localPath: (path: string) => path,
    getSharedModelFactory: () => shared
  };
  const ofNotebook = (path: string) => (path.startsWith('known/') ? {} : null);
  openAlone(contents, { ofNotebook } as any);
  expect(contents.getSharedModelFactory(path)).toBe(alone ? null : shared);
});
