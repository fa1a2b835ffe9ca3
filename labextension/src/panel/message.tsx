import * as React from 'react';

import { isOver } from '../words';
import { IPartProps } from './parts';

export const LONGEST = 20_000;
const NEARLY = 18_000;

/** A message from the person; the agent reads it before its next cell. */
export function Message({ run, trans }: IPartProps): React.ReactElement | null {
  const [text, setText] = React.useState('');
  const [sending, setSending] = React.useState(false);
  if (isOver(run.status)) {
    return null;
  }
  const tooLong = text.length > LONGEST;
  const possible = !sending && !tooLong && text.trim().length > 0;
  const send = async () => {
    if (!possible) {
      return;
    }
    setSending(true);
    if (await run.message(text)) {
      setText('');
    }
    setSending(false);
  };
  const onKey = (event: React.KeyboardEvent) => {
    if (
      event.key === 'Enter' &&
      !event.shiftKey &&
      !event.nativeEvent.isComposing
    ) {
      event.preventDefault();
      void send();
    }
  };
  return (
    <div className="jp-cobra-message">
      <textarea
        className="jp-cobra-input"
        rows={2}
        value={text}
        onChange={event => setText(event.target.value)}
        onKeyDown={onKey}
        placeholder={trans.__('Tell the agent something …')}
        aria-label={trans.__('Message to the agent')}
        title={trans.__('Enter sends, Shift+Enter starts a new line')}
      />
      <button
        className="jp-cobra-button"
        disabled={!possible}
        onClick={() => void send()}
        title={trans.__('The agent reads it before its next cell')}
      >
        {trans.__('Send')}
      </button>
      {text.length > NEARLY ? (
        <div
          className={tooLong ? 'jp-cobra-error' : 'jp-cobra-hint'}
          role="status"
        >
          {trans.__(
            '%1 of at most %2 characters',
            text.length.toLocaleString(),
            LONGEST.toLocaleString()
          )}
        </div>
      ) : null}
    </div>
  );
}
