import { TranslationBundle } from '@jupyterlab/translation';
import { folderIcon, ReactWidget } from '@jupyterlab/ui-components';
import * as React from 'react';

import { Api, Approval, IBrain, ICompetition, IStatus } from '../api';
import { cobraIcon } from '../icons';

const BUDGETS = ['2m', '10m', '1h', '4h', '24h'];

export interface IFormOptions {
  api: Api;
  trans: TranslationBundle;
  /** The folder that the person has open. */
  folder: string;
  /** Let the person choose a folder; null if that is not possible. */
  browse: ((folder: string) => Promise<string | null>) | null;
  onStarted: (status: IStatus) => void;
}

/** The form that starts a run; the input stays until the run has started. */
export class NewRun extends ReactWidget {
  constructor(private _options: IFormOptions) {
    super();
    this.id = 'jp-cobra-new-run';
    this.addClass('jp-cobra-new-run');
    this.title.label = _options.trans.__('New Cobra run');
    this.title.icon = cobraIcon;
    this.title.closable = true;
  }

  protected render(): React.ReactElement {
    return <Form {...this._options} />;
  }

  protected onActivateRequest(): void {
    this.node.querySelector('input')?.focus();
  }
}

interface IFields {
  folder: string;
  brain: string;
  budget: string;
  approval: Approval;
  maxCost: string;
}

function Form(options: IFormOptions): React.ReactElement {
  const { api, trans, browse } = options;
  const [fields, setFields] = React.useState<IFields>({
    folder: '',
    brain: '',
    budget: '10m',
    approval: 'none',
    maxCost: ''
  });
  const [competitions, setCompetitions] = React.useState<ICompetition[]>([]);
  const [brains, setBrains] = React.useState<IBrain[]>([]);
  const [error, setError] = React.useState('');
  const [starting, setStarting] = React.useState(false);
  const change = (part: Partial<IFields>) =>
    setFields(before => ({ ...before, ...part }));

  React.useEffect(() => {
    const fail = (reason: Error) => setError(reason.message);
    api.competitions().then(found => {
      setCompetitions(found);
      const folder = likely(found, options.folder);
      setFields(before => ({ ...before, folder: before.folder || folder }));
    }, fail);
    api.brains().then(answer => {
      setBrains(answer.brains);
      setFields(before =>
        before.brain ? before : { ...before, brain: answer.default }
      );
    }, fail);
  }, []);

  const brain = brains.find(({ name }) => name === fields.brain);
  const start = async (event: React.FormEvent) => {
    event.preventDefault();
    if (starting) {
      return;
    }
    setError('');
    setStarting(true);
    try {
      const { maxCost, folder, budget, ...rest } = fields;
      const limit = fields.brain === 'gemini' && maxCost.trim();
      options.onStarted(
        await api.start({
          ...rest,
          folder: folder.trim(),
          budget: budget.trim(),
          ...(limit ? { max_cost: Number(maxCost) } : {})
        })
      );
    } catch (reason) {
      setError((reason as Error).message);
    }
    setStarting(false);
  };

  return (
    <form className="jp-cobra-form" onSubmit={event => void start(event)}>
      <h1>{trans.__('New Cobra run')}</h1>
      <div className="jp-cobra-field">
        <label htmlFor="jp-cobra-folder">{trans.__('Competition')}</label>
        <div className="jp-cobra-row">
          <input
            id="jp-cobra-folder"
            className="jp-cobra-input"
            list="jp-cobra-competitions"
            required
            value={fields.folder}
            onChange={event => change({ folder: event.target.value })}
            placeholder={trans.__('Folder with description and data')}
          />
          {browse ? (
            <button
              className="jp-cobra-button"
              type="button"
              title={trans.__('Choose a folder')}
              onClick={async () => {
                const folder = await browse(fields.folder);
                if (folder !== null) {
                  change({ folder });
                }
              }}
            >
              <folderIcon.react tag="span" className="jp-cobra-icon" />
              {trans.__('Browse')}
            </button>
          ) : null}
        </div>
        <datalist id="jp-cobra-competitions">
          {competitions.map(({ name, path }) => (
            <option key={path} value={path}>
              {name}
            </option>
          ))}
        </datalist>
      </div>
      {competitions.length ? (
        <div className="jp-cobra-presets">
          {competitions.slice(0, 6).map(({ name, path }) => (
            <Preset
              key={path}
              label={name}
              title={path}
              chosen={fields.folder === path}
              onChoose={() => change({ folder: path })}
            />
          ))}
        </div>
      ) : null}
      <Field label={trans.__('Brain')} hint={brain?.why}>
        <select
          className="jp-cobra-input"
          value={fields.brain}
          onChange={event => change({ brain: event.target.value })}
        >
          {brains.map(({ name, ready, why }) => (
            <option key={name} value={name} title={why ?? ''}>
              {ready ? name : trans.__('%1 (not ready)', name)}
            </option>
          ))}
        </select>
      </Field>
      {fields.brain === 'gemini' ? (
        <Field label={trans.__('Cost limit ($)')}>
          <input
            className="jp-cobra-input"
            type="number"
            min="0"
            step="any"
            value={fields.maxCost}
            onChange={event => change({ maxCost: event.target.value })}
            placeholder={trans.__('no limit')}
          />
        </Field>
      ) : null}
      <Field label={trans.__('Time budget')}>
        <input
          className="jp-cobra-input"
          required
          value={fields.budget}
          onChange={event => change({ budget: event.target.value })}
          placeholder="10m"
        />
      </Field>
      <div className="jp-cobra-presets">
        {BUDGETS.map(budget => (
          <Preset
            key={budget}
            label={budget}
            title={trans.__('Budget of %1', budget)}
            chosen={fields.budget === budget}
            onChoose={() => change({ budget })}
          />
        ))}
      </div>
      <Approvals
        trans={trans}
        value={fields.approval}
        onChange={approval => change({ approval })}
      />
      {error ? (
        <div className="jp-cobra-error" role="alert">
          {error}
        </div>
      ) : null}
      <div className="jp-cobra-row jp-cobra-submit">
        <button
          className="jp-cobra-button jp-mod-main"
          type="submit"
          disabled={starting}
        >
          {starting ? trans.__('Starting …') : trans.__('Start')}
        </button>
        <span className="jp-cobra-hint" role="status">
          {starting
            ? trans.__('Reading the competition; this takes a few seconds.')
            : ''}
        </span>
      </div>
      {starting ? <div className="jp-cobra-busy" aria-hidden="true" /> : null}
    </form>
  );
}

/** The only competition in the person's folder (else the only one at all), or ''. */
function likely(found: ICompetition[], folder: string): string {
  const inside = found.filter(
    ({ path }) => path === folder || path.startsWith(`${folder}/`)
  );
  const candidates = inside.length ? inside : found;
  return candidates.length === 1 ? candidates[0].path : '';
}

function Field(props: {
  label: string;
  hint?: string | null;
  children: React.ReactNode;
}): React.ReactElement {
  return (
    <label>
      <span>{props.label}</span>
      {props.children}
      {props.hint ? (
        <span className="jp-cobra-hint" role="status">
          {props.hint}
        </span>
      ) : null}
    </label>
  );
}

function Preset(props: {
  label: string;
  title: string;
  chosen: boolean;
  onChoose: () => void;
}): React.ReactElement {
  return (
    <button
      className="jp-cobra-preset"
      type="button"
      title={props.title}
      aria-pressed={props.chosen}
      onClick={props.onChoose}
    >
      {props.label}
    </button>
  );
}

function Approvals(props: {
  trans: TranslationBundle;
  value: Approval;
  onChange: (value: Approval) => void;
}): React.ReactElement {
  const { trans, value, onChange } = props;
  const choices: Array<[Approval, string, string]> = [
    [
      'none',
      trans.__('Never'),
      trans.__('The agent works on its own; you can pause it at any time.')
    ],
    [
      'costly',
      trans.__('Before costly steps'),
      trans.__(
        'Ablations, full-size training, calls of other agents and background jobs wait.'
      )
    ],
    [
      'cells',
      trans.__('Before each cell'),
      trans.__('Nothing runs before you have seen it.')
    ]
  ];
  return (
    <fieldset>
      <legend>{trans.__('Ask me')}</legend>
      {choices.map(([choice, label, hint]) => (
        <label key={choice} className="jp-cobra-choice">
          <input
            type="radio"
            name="jp-cobra-approval"
            checked={value === choice}
            onChange={() => onChange(choice)}
          />
          <span>
            {label}
            <span className="jp-cobra-hint">{hint}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}
