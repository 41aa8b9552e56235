import { isNamesRequest } from '../names/names-request.ts';
import type { NamesRequest } from '../names/names-request.ts';
import { writeFilesAtomically } from '../state/atomic-file.ts';

/**
 * Whether a host stands above one that the agent itself has to find, such as `example.org` above `gateway.example.org`.
 * Most systems lead a name with all below it, so the agent would ask itself for its gateway, for ever.
 */
export const isAboveOwn = (host: string, own: readonly string[]): boolean =>
  own.some((name) => name === host || name.endsWith(`.${host}`));

/** Says to the helper which names to lead here. Written only when it changes. */
export interface NamesPublisher {
  publish(request: Omit<NamesRequest, 'version'>): void;
}

export function createNamesPublisher(path: string): NamesPublisher {
  let written: string | undefined;
  return {
    publish: ({ resolver, hosts }) => {
      const fitting = hosts.filter((one) => isNamesRequest({ version: 1, resolver, hosts: [one] }));
      const content = `${JSON.stringify({ version: 1, resolver, hosts: fitting } satisfies NamesRequest)}\n`;
      if (content === written) return;
      writeFilesAtomically([{ path, content }]);
      written = content;
    },
  };
}
