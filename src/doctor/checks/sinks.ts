import { dirname, resolve } from 'node:path';
import type { SinkHealth } from '../../contract/sinks.ts';
import { resolveSinks, SinkFilesError } from '../../flow/sinks/resolve-sinks.ts';
import type { Check, Finding } from '../finding.ts';
import { ok } from '../finding.ts';

/** A receiver that is an hour behind shows a SOC the past. */
const latestSeconds = 3600;

/** Whether flow records reach everyone whom they are to be delivered to. */
export const sinksCheck: Check = {
  name: 'sinks',
  limitMs: 5000,
  async run({ settings: { sinks = [] }, configFile, server }) {
    if (sinks.length === 0) return ok('none in the settings: flow records are only in the data directory');
    try {
      resolveSinks(sinks, dirname(resolve(configFile)));
    } catch (error) {
      if (!(error instanceof SinkFilesError)) throw error;
      return error.problems.map((what) => ({
        level: 'error',
        what,
        how: 'mend that file, or the setting that names it: the server does not start again without',
      }));
    }
    if (server === undefined)
      return [{ level: 'unknown', what: `${sinks.length} in the settings; no server runs that delivers` }];
    const found = server.sinks.flatMap(judge);
    const silent = sinks.filter(({ name }) => !server.sinks.some((sink) => sink.name === name));
    found.push(
      ...silent.map(
        ({ name }): Finding => ({
          level: 'error',
          what: `${name}: nothing is heard of it`,
          how: 'it works from the next start of the server on; if it was started since, its log says more',
        }),
      ),
    );
    const well = ok(
      `deliver: ${server.sinks.map(({ name, lagRecords }) => `${name} (${lagRecords} records behind)`).join(', ')}`,
    );
    return found.length > 0 ? found : well;
  },
};

function judge({ name, problem, lagRecords, lagSeconds, refused }: SinkHealth): Finding[] {
  const found: Finding[] = [];
  if (problem !== undefined)
    found.push({
      level: 'error',
      what: `${name} does not deliver, ${lagRecords} records behind: ${problem}`,
      how: 'mend the receiver or the way to it; nothing is lost meanwhile but what retention removes',
    });
  else if (lagSeconds > latestSeconds)
    found.push({
      level: 'warning',
      what: `${name} is ${lagRecords} records behind, the oldest of ${Math.round(lagSeconds / 60)} minutes`,
      how: 'the receiver takes fewer records than there are: a filter, a larger batch, or a faster receiver',
    });
  if (refused > 0)
    found.push({
      level: 'warning',
      what: `${name}: the receiver refused ${refused} records for good`,
      how: `they are kept, each with the reason, in ${name}.refused of the data directory, in sinks/ or access-sinks/`,
    });
  return found;
}
