import type { SinkHealth, SinkSettings } from '../contract/sinks.ts';
import type { PlannedShipper } from './plan-shippers.ts';

/** How the sinks of a server do, whichever processes deliver to them. */
export interface HealthBoard {
  /** What a process said of its sinks; undefined when it ended. @returns all that is known now, by sink */
  readonly heard: (
    from: PlannedShipper['name'],
    sinks: readonly SinkHealth[] | undefined,
  ) => readonly SinkHealth[];
}

const labels = { sinks: 'flows', 'access-sinks': 'access log' } as const;

/**
 * A sink that two processes deliver to is as far behind as both together, and fails where one of them does. Of one that a process
 * has not spoken of nothing is told: half would pass for the whole. What no process here has anything for is up to date.
 */
export function createHealthBoard(
  settings: readonly SinkSettings[],
  shippers: readonly Pick<PlannedShipper, 'name' | 'sinks'>[],
): HealthBoard {
  const known = new Map<PlannedShipper['name'], readonly SinkHealth[] | undefined>();

  function healthOf({ name, type }: SinkSettings): SinkHealth[] {
    const parts: Part[] = [];
    for (const shipper of shippers) {
      if (!shipper.sinks.some((sink) => sink.settings.name === name)) continue;
      const health = known.get(shipper.name)?.find((sink) => sink.name === name);
      if (health === undefined) return [];
      parts.push({ health, label: labels[shipper.name] });
    }
    const sum = (pick: (health: SinkHealth) => number): number =>
      parts.reduce((total, { health }) => total + pick(health), 0);
    return [
      {
        name,
        type,
        lagRecords: sum(({ lagRecords }) => lagRecords),
        lagSeconds: Math.max(0, ...parts.map(({ health }) => health.lagSeconds)),
        delivered: sum(({ delivered }) => delivered),
        refused: sum(({ refused }) => refused),
        problem: problemOf(parts),
      },
    ];
  }

  return {
    heard(from, sinks) {
      known.set(from, sinks);
      return settings.flatMap(healthOf);
    },
  };
}

interface Part {
  readonly health: SinkHealth;
  readonly label: string;
}

/** With what it is about, where it is not all that the sink gets. */
function problemOf(parts: readonly Part[]): string | undefined {
  const problems = parts.flatMap(({ health: { problem }, label }) =>
    problem === undefined ? [] : [{ problem, label }],
  );
  const [first] = problems;
  if (
    first === undefined ||
    (problems.length === parts.length && problems.every(({ problem }) => problem === first.problem))
  )
    return first?.problem;
  return problems.map(({ problem, label }) => `${label}: ${problem}`).join('; ');
}
