import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { CliError, exitCodes } from '../cli-error.ts';

/** Asks on the terminal for a line that is not shown. @throws CliError where nobody can be asked. */
export async function askSecret(question: string): Promise<string> {
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new CliError(
      exitCodes.invalid,
      'no terminal to ask for the passphrase on: give --passphrase-file FILE',
    );
  process.stderr.write(question);
  // readline edits the line and would show it; what it shows goes nowhere.
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  try {
    return await new Promise((resolve, reject) => {
      lines.once('line', resolve);
      const interrupted = (): void => reject(new CliError(exitCodes.invalid, 'interrupted'));
      lines.once('SIGINT', interrupted);
      lines.once('close', interrupted);
    });
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}
