import { addIcon, ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import { Message as LuminoMessage } from '@lumino/messaging';
import * as React from 'react';

import { cobraIcon } from '../icons';
import { Run } from '../runs';
import { CommandIDs, PANEL_ID } from '../tokens';
import { stateWords } from '../words';
import { Approval } from './approval';
import { Controls, Links } from './controls';
import { Clock, Figures, State } from './figures';
import { Log } from './log';
import { Message } from './message';
import { IPanelOptions } from './parts';

const REFRESH_EVERY = 15_000;

/** The side panel: one run, its state, and its controls. */
export class RunPanel extends ReactWidget {
  constructor(private _options: IPanelOptions) {
    super();
    const { trans } = _options;
    this.id = PANEL_ID;
    this.addClass('jp-cobra-panel');
    this.title.icon = cobraIcon;
    this.title.caption = trans.__('Cobra');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', trans.__('Cobra run'));
  }

  protected render(): React.ReactElement {
    const { runs } = this._options;
    return (
      <UseSignal signal={runs.changed}>
        {() => <Content {...this._options} />}
      </UseSignal>
    );
  }

  protected onAfterShow(message: LuminoMessage): void {
    super.onAfterShow(message);
    const refresh = () => void this._options.runs.refresh();
    refresh();
    this._timer = window.setInterval(() => {
      if (!document.hidden) {
        refresh();
      }
    }, REFRESH_EVERY);
  }

  protected onBeforeHide(message: LuminoMessage): void {
    super.onBeforeHide(message);
    window.clearInterval(this._timer);
  }

  dispose(): void {
    window.clearInterval(this._timer);
    super.dispose();
  }

  private _timer: number | undefined;
}

function Content(options: IPanelOptions): React.ReactElement {
  const { runs, trans } = options;
  const run = runs.current;
  if (!run) {
    return <Empty {...options} />;
  }
  const props = { ...options, run };
  return (
    <React.Fragment key={run.id}>
      <Header {...options} run={run} />
      <State {...props} />
      <Approval {...props} />
      {run.error || runs.error ? (
        <div className="jp-cobra-error" role="alert">
          {run.error || runs.error}
          {run.error ? (
            <button
              className="jp-cobra-link"
              aria-label={trans.__('Dismiss')}
              onClick={() => run.fail('')}
            >
              ✕
            </button>
          ) : null}
        </div>
      ) : null}
      <Controls {...props} />
      <Clock {...props} />
      <Figures {...props} />
      <Links {...props} />
      <Message {...props} />
      <Log {...props} />
    </React.Fragment>
  );
}

function Header(props: IPanelOptions & { run: Run }): React.ReactElement {
  const { run, runs, trans, commands } = props;
  const words = ({ status }: Run) =>
    `${status.name} · ${stateWords(status, trans).label}`;
  return (
    <header className="jp-cobra-header">
      {runs.all.length > 1 ? (
        <select
          className="jp-cobra-input"
          value={run.id}
          aria-label={trans.__('Run')}
          onChange={event => runs.select(event.target.value)}
        >
          {runs.all.map(one => (
            <option key={one.id} value={one.id}>
              {words(one)}
            </option>
          ))}
        </select>
      ) : (
        <h2 title={run.status.run}>
          {run.status.competition || run.status.name}
        </h2>
      )}
      <button
        className="jp-cobra-button jp-mod-icon"
        title={trans.__('New Cobra run')}
        aria-label={trans.__('New Cobra run')}
        onClick={() => void commands.execute(CommandIDs.newRun)}
      >
        <addIcon.react tag="span" className="jp-cobra-icon" />
      </button>
    </header>
  );
}

function Empty({ commands, runs, trans }: IPanelOptions): React.ReactElement {
  return (
    <div className="jp-cobra-empty">
      <cobraIcon.react tag="div" className="jp-cobra-emblem" />
      <p>
        {trans.__(
          'Cobra works on a machine-learning competition by itself, in a notebook that you can watch, edit and take over.'
        )}
      </p>
      <p>
        {trans.__(
          'Give it a folder with a description and data, and a time budget.'
        )}
      </p>
      <button
        className="jp-cobra-button jp-mod-main"
        onClick={() => void commands.execute(CommandIDs.newRun)}
      >
        {trans.__('New Cobra run')}
      </button>
      {runs.error ? (
        <div className="jp-cobra-error" role="alert">
          {runs.error}
        </div>
      ) : null}
    </div>
  );
}
