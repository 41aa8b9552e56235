import type { Command } from 'commander';
import { registerFlowsBlastRadius } from './flows/flows-blast-radius.ts';
import { registerFlowsExport } from './flows/flows-export.ts';
import { registerFlowsSearch } from './flows/flows-search.ts';
import { registerFlowsPeople } from './flows/flows-people.ts';
import { registerFlowsTail } from './flows/flows-tail.ts';
import { registerFlowsVerify } from './flows/flows-verify.ts';

export function registerFlows(program: Command): void {
  const group = program
    .command('flows')
    .description('flow records: watch them, search them, prove that none is missing, take them elsewhere');
  registerFlowsTail(group);
  registerFlowsSearch(group);
  registerFlowsBlastRadius(group);
  registerFlowsVerify(group);
  registerFlowsExport(group);
  registerFlowsPeople(group);
}
