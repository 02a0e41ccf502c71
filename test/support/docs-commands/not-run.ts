/** A command that the documentation has, and that is not run by its test. */
export interface NotRun {
  /** All of it; what a backslash continues is on one line. */
  readonly command: string;
  readonly reason: string;
}

const REGISTRY =
  'asks a registry; test/integration/package.test.ts installs what npm pack makes, and uses it';
const AZURE = 'changes what is in Azure';

/** The only ones. */
export const NOT_RUN: readonly NotRun[] = [
  { command: 'npm ci && npm run demo', reason: '.ci/run runs this very line' },
  { command: 'npm ci && npm test', reason: '.ci/run runs this very line, and so this test' },
  { command: 'sudo npm install --global pg-entra-proxy', reason: REGISTRY },
  { command: 'npm install --global pg-entra-proxy', reason: REGISTRY },
  { command: 'az vm identity assign --resource-group my-group --name my-vm', reason: AZURE },
];
