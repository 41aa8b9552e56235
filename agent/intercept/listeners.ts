import type { Endpoint } from './app-endpoints.ts';
import { listenProblemOf } from './listen-problem.ts';
import type { ListenProblem } from './listen-problem.ts';

/** An endpoint at the loopback address of its host. */
export interface Place extends Endpoint {
  readonly address: string;
}

export interface ClosedPlace extends Place {
  readonly problem: ListenProblem;
}

/** What listens at one place. */
export interface Listener {
  /** Takes nothing new. */
  close(): void;
}

/** Listens at the addresses of applications. */
export interface Listeners {
  /** Listens at these places and no others. What could not be opened is tried again at the next call. */
  sync(places: readonly Place[]): Promise<void>;
  open(): readonly Place[];
  closed(): readonly ClosedPlace[];
  close(): void;
}

/** An address stands for one host at a time, so address and port say which listener it is. */
const keyOf = ({ address, port }: Place): string => `${address}:${port}`;

/** @param listen rejects where nothing can listen there, as `listen` and `bind` do. */
export function createListeners(listen: (place: Place) => Promise<Listener>): Listeners {
  const open = new Map<string, { readonly listener: Listener; readonly place: Place }>();
  let closed: readonly ClosedPlace[] = [];
  let isOver = false;
  let syncing: Promise<void> = Promise.resolve();

  const openOne = async (place: Place): Promise<ClosedPlace | undefined> => {
    try {
      const listener = await listen(place);
      if (isOver) listener.close();
      else open.set(keyOf(place), { listener, place });
      return undefined;
    } catch (error) {
      return { ...place, problem: listenProblemOf(error) };
    }
  };

  const syncNow = async (places: readonly Place[]): Promise<void> => {
    const wanted = new Map(places.map((place) => [keyOf(place), place]));
    for (const [key, { listener, place }] of open) {
      if (wanted.get(key)?.host === place.host) continue;
      listener.close();
      open.delete(key);
    }
    const missing = [...wanted].filter(([key]) => !open.has(key)).map(([, place]) => place);
    const failed = await Promise.all(missing.map(openOne));
    closed = failed.filter((one) => one !== undefined);
  };

  return {
    sync: (places) => (syncing = syncing.then(() => (isOver ? undefined : syncNow(places)))),
    open: () => [...open.values()].map(({ place }) => place),
    closed: () => closed,
    close: () => {
      isOver = true;
      for (const { listener } of open.values()) listener.close();
      open.clear();
    },
  };
}
