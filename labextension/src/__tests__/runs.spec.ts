import { Run } from '../runs';

const status = (state: string, at: number): any => ({ id: 'r', state, at });

async function paused(answer: object): Promise<Run> {
  let give: (status: object) => void = () => undefined;
  const act = () => new Promise(resolve => (give = resolve));
  const run = new Run({ act } as any, status('running', 1));
  const done = run.act('pause');
  run.setStatus(status('paused', 3)); // as the channel brings it
  give(answer);
  await done;
  return run;
}

it('An answer that comes later than what followed from it does not take that back', async () => {
  expect((await paused(status('pausing', 2))).status.state).toBe('paused');
});

it('An answer that is newer, or says that the run is over, is taken', async () => {
  expect((await paused(status('running', 4))).status.state).toBe('running');
  expect((await paused(status('stopped', 0))).status.state).toBe('stopped');
});
