const jestJupyterLab = require('@jupyterlab/testutils/lib/jest-config');
const esModules = [
  '@codemirror',
  '@jupyter/',
  '@microsoft/',
  '@rjsf/',
  'exenv-es6',
  'vscode-',
  'marked',
  'mermaid',
  'es-toolkit',
  'uuid',
  'd3',
  'dagre',
  '@jupyterlab/',
  'lib0',
  'nanoid',
  'vscode-ws-jsonrpc',
  'y-protocols',
  'y-websocket',
  'yjs'
].join('|');
const baseConfig = jestJupyterLab(__dirname);
module.exports = {
  ...baseConfig,
  transform: {
    ...baseConfig.transform,
    // only transpiled: `jlpm types:check` has checked the types, of the tests as well
    '^.+\\.tsx?$': [
      'ts-jest/legacy',
      {
        tsconfig: './tsconfig.test.json',
        isolatedModules: true,
        diagnostics: false
      }
    ]
  },
  automock: false,
  collectCoverageFrom: ['src/**/*.{ts,tsx}', '!src/**/*.d.ts'],
  coverageReporters: ['text'],
  testRegex: 'src/.*/.*.spec.ts[x]?$',
  transformIgnorePatterns: [`/node_modules/(?!${esModules}).+`]
};
