import * as React from 'react';

import { Action, ExportKind } from '../api';
import { controls, IControl } from '../commands';
import { CommandIDs } from '../tokens';
import { hasNotebook, isOver, isPossible } from '../words';
import { IPartProps } from './parts';

/** The buttons of an active run. */
export function Controls(props: IPartProps): React.ReactElement | null {
  const { run, trans } = props;
  const all = React.useMemo(() => controls(trans), [trans]);
  const { status } = run;
  if (isOver(status)) {
    return status.resumable ? <ResumeForm {...props} /> : null;
  }
  const active = !['paused', 'human'].includes(status.state);
  const first: Action = active ? 'pause' : 'resume';
  const hands: Action = status.state === 'human' ? 'hand-back' : 'take-over';
  const button = (action: Action, main = false) => (
    <ControlButton key={action} {...props} control={all[action]} main={main} />
  );
  return (
    <div
      className="jp-cobra-controls"
      role="group"
      aria-label={trans.__('Run controls')}
    >
      {button(first, status.state === 'paused')}
      {button('step')}
      {button('interrupt')}
      {button('stop')}
      {button(hands, status.state === 'human')}
    </div>
  );
}

function ControlButton(
  props: IPartProps & { control: IControl; main: boolean }
): React.ReactElement {
  const { commands, run, control, main } = props;
  const { icon: Icon } = control;
  return (
    <button
      className={`jp-cobra-button jp-cobra-${control.action}${main ? ' jp-mod-main' : ''}`}
      title={control.caption}
      disabled={!isPossible(control.action, run.status)}
      onClick={() => void commands.execute(control.id)}
    >
      <Icon.react tag="span" className="jp-cobra-icon" />
      {control.label}
    </button>
  );
}

/** Resumes a run from its record when its process is gone. */
function ResumeForm({ commands, trans }: IPartProps): React.ReactElement {
  const [more, setMore] = React.useState('');
  const resume = (event: React.FormEvent) => {
    event.preventDefault();
    void commands.execute(CommandIDs.resume, { more: more.trim() });
  };
  return (
    <form className="jp-cobra-again" onSubmit={resume}>
      <div className="jp-cobra-hint">
        {trans.__('This run can continue from its record.')}
      </div>
      <div className="jp-cobra-row">
        <input
          className="jp-cobra-input"
          value={more}
          onChange={event => setMore(event.target.value)}
          placeholder={trans.__('More time, e.g. 10m; empty: what was left')}
          title={trans.__(
            'How long the run may continue, for example 10m; empty: for the rest of its budget'
          )}
          aria-label={trans.__(
            'More time, for example 10m; empty: what was left'
          )}
        />
        <button
          className="jp-cobra-button jp-mod-main"
          type="submit"
          title={trans.__('Start the run’s process again')}
        >
          {trans.__('Resume')}
        </button>
      </div>
    </form>
  );
}

/** Opens the run's notebooks and exports them. */
export function Links(props: IPartProps): React.ReactElement {
  const { run, trans, reveal, commands } = props;
  const agents = run.status.agents.filter(agent => agent.notebook);
  const possible = hasNotebook(run.status);
  const why =
    run.status.state === 'starting'
      ? trans.__('The run starts: its notebook is not there yet')
      : trans.__('Open the notebook that the agent writes');
  const [exporting, setExporting] = React.useState(false);
  const exportTo = async (event: React.ChangeEvent<HTMLSelectElement>) => {
    const to = event.target.value as ExportKind;
    setExporting(true);
    await commands.execute(CommandIDs.exportTo, { to });
    setExporting(false);
  };
  return (
    <div className="jp-cobra-row jp-cobra-links">
      {agents.length > 1 ? (
        <select
          className="jp-cobra-input"
          value=""
          disabled={!possible}
          title={why}
          aria-label={trans.__('Open a notebook of this run')}
          onChange={event => reveal(run, event.target.value)}
        >
          <option value="" disabled>
            {trans.__('Open notebook …')}
          </option>
          {agents.map(({ name, role, busy }) => (
            <option key={name} value={name}>
              {name === role ? name : `${name} (${role})`}
              {busy ? ' ●' : ''}
            </option>
          ))}
        </select>
      ) : (
        <button
          className="jp-cobra-button"
          disabled={!possible}
          title={why}
          onClick={() => reveal(run, agents[0].name)}
        >
          {trans.__('Open notebook')}
        </button>
      )}
      <select
        className="jp-cobra-input"
        value=""
        disabled={exporting}
        aria-label={trans.__('Export the notebook')}
        onChange={event => void exportTo(event)}
      >
        <option value="" disabled>
          {exporting ? trans.__('Exporting …') : trans.__('Export …')}
        </option>
        <option value="html">{trans.__('HTML page')}</option>
        <option value="ipynb">{trans.__('Notebook')}</option>
        <option value="py">{trans.__('Python script')}</option>
      </select>
    </div>
  );
}
