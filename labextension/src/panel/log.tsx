import { TranslationBundle } from '@jupyterlab/translation';
import * as React from 'react';

import { ILogEntry } from '../api';
import { kindIcon } from '../icons';
import { clock } from '../words';
import { IPartProps } from './parts';

const SHOWN = 200;

/** What the run decided and found, newest first. */
export function Log({ run, trans, reveal }: IPartProps): React.ReactElement {
  const entries = run.log.slice(-SHOWN).reverse();
  const several = run.status.agents.length > 1;
  return (
    <section className="jp-cobra-log" aria-label={trans.__('Decision log')}>
      <h3>{trans.__('Decision log')}</h3>
      {entries.length ? (
        <ol>
          {entries.map(entry => (
            <Entry
              key={entry.line}
              entry={entry}
              agent={several}
              trans={trans}
              reveal={
                entry.cell
                  ? () => reveal(run, entry.agent, entry.cell!)
                  : undefined
              }
            />
          ))}
        </ol>
      ) : (
        <div className="jp-cobra-hint">{trans.__('Nothing yet.')}</div>
      )}
    </section>
  );
}

interface IEntryProps {
  entry: ILogEntry;
  agent: boolean;
  trans: TranslationBundle;
  reveal?: () => void;
}

const Entry = React.memo(
  (props: IEntryProps): React.ReactElement => {
    const { entry, agent, trans, reveal } = props;
    const Icon = kindIcon(entry.kind);
    const words = (
      <>
        <Icon.react
          tag="span"
          className="jp-cobra-icon"
          title={kindWords(entry.kind, trans)}
        />
        <span className="jp-cobra-log-text" title={entry.text}>
          {agent ? (
            <span className="jp-cobra-log-agent">{entry.agent}</span>
          ) : null}
          {entry.text}
          {entry.written_by ? (
            <span className="jp-cobra-log-brain">
              {' '}
              {trans.__('by %1', entry.written_by)}
            </span>
          ) : null}
        </span>
        <time>{clock(entry.at)}</time>
      </>
    );
    return (
      <li data-kind={entry.kind}>
        {reveal ? (
          <button title={trans.__('Show the cell')} onClick={reveal}>
            {words}
          </button>
        ) : (
          <div>{words}</div>
        )}
      </li>
    );
  },
  (before, after) =>
    before.entry === after.entry && before.agent === after.agent
);

function kindWords(kind: string, trans: TranslationBundle): string {
  switch (kind) {
    case 'score':
      return trans.__('Score');
    case 'effect':
      return trans.__('Effect');
    case 'decision':
      return trans.__('Decision');
    case 'submission':
      return trans.__('Submission');
    case 'state':
      return trans.__('State');
    case 'human':
      return trans.__('Person');
    case 'error':
      return trans.__('Error');
    default:
      return trans.__('Step');
  }
}
