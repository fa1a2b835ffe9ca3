import { LabIcon } from '@jupyterlab/ui-components';

import { LogKind } from './api';

function icon(name: string, shapes: string): LabIcon {
  const svgstr = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 24 24"><g class="jp-icon3" fill="#616161">${shapes}</g></svg>`;
  return new LabIcon({ name: `cobra-jupyter:${name}`, svgstr });
}

export const cobraIcon = icon(
  'cobra',
  '<path d="M12 2C8 2 5 4.6 5 8.2c0 2.9 1.6 4.6 3.6 5.6.9.5 1.4 1 1.4 1.7 0 .8-.7 1.3-1.8 1.3-1.3 0-2.6-.6-3.7-1.5L3 17.6c1.5 1.4 3.3 2.2 5.3 2.2 2.7 0 4.9-1.5 4.9-4.2 0-2-1.1-3.2-2.9-4.1C8.9 10.7 8 9.8 8 8.3 8 6.3 9.7 5 12 5s4 1.3 4 3.3c0 1.4-.7 2.3-1.7 3.1l1.7 2.5c1.9-1.3 3-3.2 3-5.7C19 4.6 16 2 12 2zm-1.8 4.6a1.1 1.1 0 1 0 0 2.2 1.1 1.1 0 0 0 0-2.2zm3.6 0a1.1 1.1 0 1 0 0 2.2 1.1 1.1 0 0 0 0-2.2z"/>'
);
export const pauseIcon = icon(
  'pause',
  '<path d="M7 5h4v14H7zM13 5h4v14h-4z"/>'
);
export const resumeIcon = icon('resume', '<path d="M8 5v14l11-7z"/>');
export const stepIcon = icon('step', '<path d="M6 5v14l9-7zM16 5h3v14h-3z"/>');
export const interruptIcon = icon(
  'interrupt',
  '<path d="M13 2 5 14h6l-1 8 9-13h-6z"/>'
);
export const stopIcon = icon('stop', '<path d="M6 6h12v12H6z"/>');
export const takeOverIcon = icon(
  'take-over',
  '<path d="M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zm0 2c-3.3 0-8 1.6-8 4.5V21h16v-2.5c0-2.9-4.7-4.5-8-4.5z"/>'
);
export const handBackIcon = icon(
  'hand-back',
  '<path d="M10 7V3L2 10l8 7v-4.1c5 0 8.5 1.6 11 5.1-1-5-4-10-11-11z"/>'
);
export const openIcon = icon(
  'open',
  '<path d="M5 5h6V3H3v18h18v-8h-2v6H5zM13 3v2h4.6l-8 8L11 14.4l8-8V11h2V3z"/>'
);

const stepKind = icon('log-step', '<circle cx="12" cy="12" r="4"/>');
const kinds: Record<LogKind, LabIcon> = {
  step: stepKind,
  score: icon(
    'log-score',
    '<path d="M4 20v-6h4v6zM10 20V9h4v11zM16 20V4h4v16z"/>'
  ),
  effect: icon('log-effect', '<path d="M12 3 5 10h5v4H5l7 7 7-7h-5v-4h5z"/>'),
  decision: icon(
    'log-decision',
    '<path d="M9 16.2 4.8 12l-1.4 1.4L9 19 21 7l-1.4-1.4z"/>'
  ),
  submission: icon(
    'log-submission',
    '<path d="M5 20h14v-2H5zM19 10h-4V4H9v6H5l7 7z" transform="rotate(180 12 12)"/>'
  ),
  state: icon(
    'log-state',
    '<path d="M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16zm0 3a5 5 0 1 1 0 10 5 5 0 0 1 0-10z"/>'
  ),
  human: icon(
    'log-human',
    '<path d="M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zm0 2c-3.3 0-8 1.6-8 4.5V21h16v-2.5c0-2.9-4.7-4.5-8-4.5z"/>'
  ),
  error: icon(
    'log-error',
    '<path d="M1 21h22L12 2zm12-3h-2v-2h2zm0-4h-2v-4h2z"/>'
  )
};

export function kindIcon(kind: string): LabIcon {
  return kinds[kind as LogKind] ?? stepKind;
}
