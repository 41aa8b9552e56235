import { afterAll, beforeAll } from 'vitest';
import { startApplication } from './app-server.ts';
import type { LabServer } from './app-server.ts';
import { labApp, startLabGateway } from './gateway.ts';
import type { LabGateway, LabLaptop } from './gateway.ts';

/** One application, `grants`, behind a gateway, and alice's laptop, for all tests of a file. */
export interface Grants {
  readonly host: string;
  readonly lab: LabGateway;
  readonly alice: LabLaptop;
  readonly app: LabServer;
}

export function useGrants(more: Omit<Parameters<typeof startLabGateway>[0], 'apps'> = {}): Grants {
  let made: Omit<Grants, 'host'> | undefined;
  const get = (): Omit<Grants, 'host'> => {
    if (made === undefined) throw new TypeError('only while a test runs');
    return made;
  };
  beforeAll(async () => {
    const app = await startApplication('grants');
    const lab = await startLabGateway({ ...more, apps: [labApp('grants', [app.url])] });
    made = { app, lab, alice: await lab.laptop('alice@example.org') };
  });
  afterAll(async () => {
    await made?.lab.close();
    made?.app.close();
  });
  return {
    host: 'grants.apps.example.org',
    get lab() {
      return get().lab;
    },
    get alice() {
      return get().alice;
    },
    get app() {
      return get().app;
    },
  };
}
