interface Schema {
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly oneOf?: readonly Schema[];
  readonly minimum?: number;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
}

const understood = new Set([
  ...['$schema', 'title', 'description', 'type', 'enum', 'oneOf', 'minimum', 'required'],
  ...['additionalProperties', 'properties', 'items'],
]);

const typeOf = (value: unknown): string => (value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value);

/** What is wrong with `value` by a JSON Schema of the few words that ours use; an unknown word is an error, not ignored. */
export function violations(value: unknown, schema: Schema, at = '$'): string[] {
  const strange = Object.keys(schema).filter((word) => !understood.has(word));
  if (strange.length > 0) throw new Error(`this checker does not know ${strange.join(', ')}`);
  const found: string[] = [];
  const type = typeOf(value);
  if (schema.type === 'integer' ? !Number.isInteger(value) : schema.type && type !== schema.type)
    found.push(`${at} is ${type}, not ${schema.type}`);
  if (schema.enum && !schema.enum.includes(value)) found.push(`${at} is none of ${schema.enum.join(', ')}`);
  if (schema.minimum !== undefined && !(Number(value) >= schema.minimum))
    found.push(`${at} is below ${schema.minimum}`);
  if (schema.oneOf && schema.oneOf.filter((s) => violations(value, s, at).length === 0).length !== 1)
    found.push(`${at} fits not exactly one of the alternatives`);
  if (schema.items && Array.isArray(value))
    for (const [i, v] of value.entries()) found.push(...violations(v, schema.items, `${at}[${i}]`));
  if (type === 'object') {
    const fields = value as Record<string, unknown>;
    for (const key of schema.required ?? []) if (!(key in fields)) found.push(`${at}.${key} is missing`);
    for (const [key, v] of Object.entries(fields)) {
      const own = schema.properties?.[key];
      if (own) found.push(...violations(v, own, `${at}.${key}`));
      else if (schema.additionalProperties === false) found.push(`${at}.${key} is not foreseen`);
    }
  }
  return found;
}
