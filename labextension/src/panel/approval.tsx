import * as React from 'react';

import { IPartProps } from './parts';

/** A step that waits for the person's approval. */
export function Approval(props: IPartProps): React.ReactElement | null {
  const { run, trans, reveal } = props;
  const { waiting } = run.status;
  const [why, setWhy] = React.useState('');
  const [sending, setSending] = React.useState(false);
  if (!waiting) {
    return null;
  }
  const answer = async (yes: boolean) => {
    setSending(true);
    if (await run.approve(yes, waiting.cell, why.trim())) {
      setWhy('');
    }
    setSending(false);
  };
  return (
    <section
      className="jp-cobra-approval"
      role="alert"
      aria-label={trans.__('Approval')}
    >
      <div className="jp-cobra-approval-title">
        {trans.__('%1 asks for your approval', waiting.agent)}
      </div>
      <div>{waiting.why}</div>
      <button
        className="jp-cobra-link"
        onClick={() => reveal(run, waiting.agent, waiting.cell)}
      >
        {trans.__('Show the cell')}
      </button>
      <input
        className="jp-cobra-input"
        value={why}
        onChange={event => setWhy(event.target.value)}
        placeholder={trans.__('Reason, for the agent to read (optional)')}
        aria-label={trans.__('Reason, for the agent to read')}
      />
      <div className="jp-cobra-row">
        <button
          className="jp-cobra-button jp-mod-main"
          disabled={sending}
          title={trans.__('Let this cell run')}
          onClick={() => void answer(true)}
        >
          {trans.__('Approve')}
        </button>
        <button
          className="jp-cobra-button"
          disabled={sending}
          title={trans.__('Do not run this cell; the agent reads your reason')}
          onClick={() => void answer(false)}
        >
          {trans.__('Decline')}
        </button>
      </div>
    </section>
  );
}
