import type { FromSearchProcess, ToSearchProcess } from './messages.ts';
import { followFlows } from './follow-flows.ts';
import { createFlowSearch } from './search-flows.ts';
import type { FlowSearch } from './search-flows.ts';
import type { FlowPlaces } from './unarchived-records.ts';

/**
 * The process that searches records: what it reads was written by those who meet the network, so that it has no right beside
 * reading it, and is ended when it takes too long. Spoken to over its channel alone.
 */

let search: FlowSearch | undefined;
let places: FlowPlaces | undefined;

const send = (message: FromSearchProcess): void => {
  if (process.connected) process.send?.(message);
};

/** What DuckDB says, without the statement that it shows below: that is ours, and helps nobody who asked. */
const sentenceOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).replace(/\s*\nLINE \d+: [^]*$/, '').slice(0, 1000);

process.on('message', (message: ToSearchProcess) => {
  if (message.type === 'open') {
    places = message.places;
    search = createFlowSearch(places, message.limits);
    return;
  }
  if (search === undefined || places === undefined) throw new TypeError('asked before it was opened');
  if (message.type === 'follow') {
    // Nobody reads any more.
    process.stdout.once('error', () => process.exit(0));
    followFlows(places, message.filter, process.stdout, new AbortController().signal).catch(
      (error: unknown) => {
        process.stderr.write(`postern: search: ${error instanceof Error ? error.stack : String(error)}\n`);
        process.exit(1);
      },
    );
    return;
  }
  search.ask(message.query).then(
    (answer) => send({ type: 'answer', answer }),
    (error: unknown) =>
      send({
        type: 'failed',
        message: sentenceOf(error),
      }),
  );
});
process.once('disconnect', () => process.exit(0));
// Ctrl-C goes to the whole group of processes; whoever started it says when to end.
process.on('SIGINT', () => undefined);
