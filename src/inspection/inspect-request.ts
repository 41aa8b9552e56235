import { anomalies, anomalyScore } from './anomalies.ts';
import { RequestCollections } from './collections.ts';
import type { Item } from './collections.ts';
import { readExclusions } from './exclusions.ts';
import type { Exclusions } from './exclusions.ts';
import type { Finding, InspectedRequest, InspectionProfile, InspectionReport } from './request.ts';
import type { Pipeline, Rule, RuleSet } from './rule-set.ts';
import { isSelected } from './seclang/rule-text.ts';
import type { VariableText } from './seclang/rule-text.ts';

/** Asks every rule about a request. Pure: nothing is remembered from one request to the next. */
export function inspectRequest(
  ruleSet: RuleSet,
  request: InspectedRequest,
  profile: InspectionProfile,
): InspectionReport {
  return new Transaction(ruleSet, request, profile).run();
}

class Transaction {
  readonly #ruleSet: RuleSet;
  readonly #collections: RequestCollections;
  readonly #exclusions: Exclusions;
  readonly #tx = new Map<string, string>();
  readonly #targets: (readonly Item[] | undefined)[];
  readonly #transformed: Map<string, string>[];
  readonly #findings: Finding[] = [];
  readonly #expander = (text: string): string => this.#expand(text);
  #matched: readonly Item[] = [];

  constructor(ruleSet: RuleSet, request: InspectedRequest, { paranoia, exclusions }: InspectionProfile) {
    this.#ruleSet = ruleSet;
    this.#collections = new RequestCollections(request);
    this.#exclusions = readExclusions(exclusions, this.#collections.path);
    this.#targets = Array.from({ length: ruleSet.targetCount });
    this.#transformed = Array.from({ length: ruleSet.pipelineCount }, () => new Map<string, string>());
    const level = String(paranoia);
    // The names that versions 3 and 4 of the Core Rule Set have for it.
    for (const name of ['paranoia_level', 'blocking_paranoia_level', 'detection_paranoia_level'])
      this.#tx.set(name, level);
    this.#tx.set('executing_paranoia_level', level);
    this.#tx.set('crs_setup_version', '1');
    // The rules' own defaults know no more than forms do; what WebDAV adds is for the applications that speak it.
    this.#tx.set('allowed_methods', 'GET HEAD POST OPTIONS PUT PATCH DELETE');
    this.#tx.set('allowed_request_content_type', readableTypes);
  }

  run(): InspectionReport {
    const { rules, markers } = this.#ruleSet;
    for (let at = 0; at < rules.length; at += 1) {
      const rule = rules[at];
      if (rule === undefined || this.#exclusions.isRuleOut(rule)) continue;
      if (!this.#matches(rule)) continue;
      if (rule.isLogged) this.#findings.push({ id: String(rule.id), message: rule.message });
      if (rule.skipAfter !== undefined) at = (markers.get(rule.skipAfter) ?? rules.length) - 1;
    }
    let score = 0;
    for (const [name, value] of this.#tx) if (scores.test(name)) score += Number(value);
    for (const id of this.#collections.anomalies) {
      if (this.#exclusions.isRuleOut({ id: Number(id), tags: [] })) continue;
      this.#findings.push({ id, message: anomalies[id] });
      score += anomalyScore;
    }
    const { unread } = this.#collections;
    return { score, findings: this.#findings, ...(unread === undefined ? {} : { unread }) };
  }

  /** Also does what the rule says is to be done when it matches: each time, as ModSecurity does. */
  #matches(rule: Rule): boolean {
    const operator = rule.operator(this.#expander);
    const matched: Item[] = [];
    for (const item of this.#itemsOf(rule)) {
      for (const value of this.#valuesOf(rule, item.value)) {
        const groups: string[] | undefined = rule.needsGroups ? [] : undefined;
        if (operator(value, groups) === rule.isNegated) continue;
        matched.push(item.value === value ? item : { ...item, value });
        this.#matched = matched;
        for (const [index, group] of groups?.entries() ?? []) this.#tx.set(String(index), group);
        this.#act(rule);
        break;
      }
    }
    if (matched.length === 0) return false;
    return rule.chained === undefined || this.#matches(rule.chained);
  }

  #itemsOf({ targets: { variables, index }, id, tags }: Rule): readonly Item[] {
    let items = index === undefined ? undefined : this.#targets[index];
    if (items === undefined) {
      items = variables.length === 0 ? nothing : this.#select(variables);
      if (index !== undefined) this.#targets[index] = items;
    }
    return this.#exclusions.withoutTargets(id, tags, items);
  }

  #select(variables: readonly VariableText[]): readonly Item[] {
    let items: Item[] = [];
    for (const variable of variables) {
      if (variable.isExcluded) {
        items = items.filter(
          ({ collection, key }) => collection !== variable.name || !isSelected(variable, key),
        );
        continue;
      }
      const found = this.#members(variable);
      if (variable.isCount)
        items.push({
          collection: variable.name,
          key: '',
          name: variable.selector ?? '',
          value: String(found.length),
        });
      else items = items.concat(found);
    }
    return items;
  }

  #members(variable: VariableText): readonly Item[] {
    const { name, selector, isPattern } = variable;
    if (name !== 'TX' || selector === undefined || isPattern) {
      const items = this.#collection(name);
      return selector === undefined ? items : items.filter(({ key }) => isSelected(variable, key));
    }
    // Every other rule asks for one of these, and there are some fifty.
    const value = this.#tx.get(selector);
    return value === undefined ? [] : [{ collection: name, key: selector, name: selector, value }];
  }

  #collection(name: string): readonly Item[] {
    switch (name) {
      case 'TX':
        return [...this.#tx].map(([key, value]) => ({ collection: name, key, name: key, value }));
      case 'MATCHED_VARS':
        return this.#matched;
      case 'MATCHED_VAR':
        return this.#matched.slice(-1);
      case 'MATCHED_VARS_NAMES':
        return this.#matched.map((item) => ({ ...item, value: nameOf(item) }));
      case 'MATCHED_VAR_NAME':
        return this.#matched.slice(-1).map((item) => ({ ...item, value: nameOf(item) }));
      default:
        return this.#collections.items(name);
    }
  }

  #valuesOf({ pipeline, isMultiMatch }: Rule, value: string): readonly string[] {
    if (pipeline === undefined) return [value];
    if (!isMultiMatch) return [this.#transform(pipeline, value)];
    const stages: Pipeline[] = [];
    for (let each: Pipeline | undefined = pipeline; each !== undefined; each = each.before)
      stages.unshift(each);
    return [...new Set([value, ...stages.map((stage) => this.#transform(stage, value))])];
  }

  #transform(pipeline: Pipeline, value: string): string {
    const known = this.#transformed[pipeline.index];
    let result = known?.get(value);
    if (result === undefined) {
      const before = pipeline.before === undefined ? value : this.#transform(pipeline.before, value);
      result = pipeline.apply(before);
      known?.set(value, result);
    }
    return result;
  }

  #act({ assignments, controls }: Rule): void {
    for (const { name, value, isSum } of assignments) {
      const key = this.#expand(name).toLowerCase();
      if (value === undefined) this.#tx.delete(key);
      else {
        const expanded = this.#expand(value);
        this.#tx.set(key, isSum ? String(Number(this.#tx.get(key) ?? 0) + Number(expanded)) : expanded);
      }
    }
    for (const [name, value] of controls) this.#exclusions.control(name, value);
  }

  #expand(text: string): string {
    if (!text.includes('%{')) return text;
    return text.replace(/%\{([^}]+)\}/g, (_, macro: string) => {
      const dot = macro.indexOf('.');
      const collection = (dot === -1 ? macro : macro.slice(0, dot)).toUpperCase();
      const key = dot === -1 ? '' : macro.slice(dot + 1).toLowerCase();
      if (collection === 'TX') return this.#tx.get(key) ?? '';
      return this.#collection(collection).find((item) => dot === -1 || item.key === key)?.value ?? '';
    });
  }
}

/** Bodies that are read here. Another type is what rule 920420 finds. */
const readableTypes = [
  'application/x-www-form-urlencoded',
  'multipart/form-data',
  'text/plain',
  'text/xml',
  'application/xml',
  'application/soap+xml',
  'application/json',
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/vnd.api+json',
  'application/ld+json',
  'application/geo+json',
  'application/cloudevents+json',
  'application/cloudevents-batch+json',
  'application/reports+json',
]
  .map((type) => `|${type}|`)
  .join(' ');

/** A rule without variables looks at nothing, and once. */
const nothing: readonly Item[] = [{ collection: '', key: '', name: '', value: '' }];

const scores = /^(?:inbound_)?anomaly_score_pl[1-4]$/;

const nameOf = ({ collection, name }: Item): string => (name === '' ? collection : `${collection}:${name}`);
