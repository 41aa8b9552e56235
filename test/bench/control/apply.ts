import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Policy } from '../../../src/domain/resources.ts';
import type { Installation } from '../../control/installation.ts';
import { fullSize, organizationResources } from '../support/organization.ts';
import { run } from '../support/processes.ts';
import { median } from '../support/table.ts';
import { rowOf } from '../support/row.ts';
import type { Row } from '../support/row.ts';
import type { Scale } from './scale.ts';
import { administrator, expectOk, posternCommand, serve } from './server.ts';

const seconds = async (work: () => Promise<unknown>): Promise<number> => {
  const before = performance.now();
  await work();
  return (performance.now() - before) / 1000;
};

/** The whole organization by the command, then one change after the other over the API, each in force at its answer. */
export async function measureApply(installation: Installation, scale: Scale): Promise<Row[]> {
  const resources = organizationResources(fullSize);
  const file = join(installation.directory, 'organization.yaml');
  await writeFile(file, resources.map((resource) => stringify(resource)).join('---\n'));
  const server = await serve(installation);
  const context = join(installation.directory, 'context.yaml');
  await writeFile(
    context,
    stringify({
      server: `https://127.0.0.1:${server.controlPort}`,
      apiKey: installation.apiKey,
      ca: installation.rootPem,
    }),
    { mode: 0o600 },
  );
  const api = administrator({ port: server.controlPort, ...installation });
  try {
    const env = { ...process.env, POSTERN_CONTEXT: context };
    const all = await seconds(() => run([...posternCommand, 'apply', '-f', file], env));
    const again = await seconds(() => expectOk(api.call('POST', '/v1/apply', { resources })));
    const policies = resources.filter((resource): resource is Policy => resource.kind === 'Policy');
    const changes: number[] = [];
    for (let index = 0; index < scale.changes; index += 1) {
      const policy = policies[(100 + index * 37) % policies.length] as Policy;
      const changed = { ...policy, cedar: `${policy.cedar}\n// change ${index}` };
      changes.push(
        1000 * (await seconds(() => expectOk(api.call('POST', '/v1/apply', { resources: [changed] })))),
      );
    }
    return [
      rowOf('`postern apply` of all of it, files read and checked', 'applyAllSeconds', all, 's', 10),
      rowOf('all of it again, over the API: nothing differs', 'applyAgainSeconds', again, 's', 10),
      rowOf('one changed policy, in force on the worker', 'applyOneMilliseconds', median(changes), 'ms', 200),
      rowOf('the slowest of these', 'applyOneSlowestMilliseconds', Math.max(...changes), 'ms'),
    ];
  } finally {
    api.close();
    await server.stop();
  }
}
