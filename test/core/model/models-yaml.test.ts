import { expect, test } from "bun:test";
import { endpointAddress } from "../../../src/core/model/endpoints";
import { type Endpoint, parseEndpoints } from "../../../src/core/model/models-yaml";

const secret = (name: string) => (name === "THE_KEY" ? "sk-the-key" : null);

function parse(yaml: string) {
  return parseEndpoints(Bun.YAML.parse(yaml), secret);
}

test("a list and a map of endpoints say the same", () => {
  const fromMap = parse(`
local:
  base_url: http://localhost:11434/v1/
  api_key_env: THE_KEY
  parameters: { temperature: 0.5 }
  models: ["*", { id: big, context_length: 8192, capabilities: [vision], parameters: { top_p: 0.9 } }, small]
`);
  const fromList = parse(`
- name: local
  base_url: http://localhost:11434/v1
  api_key_env: THE_KEY
  parameters: { temperature: 0.5 }
  models: ["*", { id: big, context_length: 8192, capabilities: [vision], parameters: { top_p: 0.9 } }, small]
`);
  expect(fromMap).toEqual(fromList);
  expect(fromMap.problems).toEqual([]);
  expect(fromMap.endpoints).toEqual([
    {
      name: "local",
      baseUrl: "http://localhost:11434/v1",
      apiKey: "sk-the-key",
      models: [
        { id: "big", contextLength: 8192, capabilities: ["vision"], parameters: { top_p: 0.9 } },
        { id: "small" },
      ],
      isAsked: true,
      parameters: { temperature: 0.5 },
      isGuess: false,
    },
  ]);
});

test("an endpoint is asked for its list unless its models are named", () => {
  const { endpoints } = parse("a: { base_url: http://a/v1 }\nb: { base_url: http://b/v1, models: [x] }");
  expect(endpoints.map(({ isAsked }) => isAsked)).toEqual([true, false]);
});

test("headers are sent as they are, with variables of the environment in their place", () => {
  const yaml = `a: { base_url: http://a/v1, headers: { X-Title: Ours, X-N: 5, Api-Key: 'k \${THE_KEY}' } }`;
  expect(parse(yaml)).toMatchObject({
    problems: [],
    endpoints: [{ headers: { "x-title": "Ours", "x-n": "5", "api-key": "k sk-the-key" }, secrets: ["sk-the-key"] }],
  });
});

test.each([
  ["http://a/v1", "http://a/v1/models"],
  ["http://a/v1///", "http://a/v1/models"],
  ["http://a", "http://a/models"],
  ["https://a/x/v1?api-version=2024-06-01&b=%20", "https://a/x/v1/models?api-version=2024-06-01&b=%20"],
  ["https://a/v1/?b=/c/#top", "https://a/v1/models?b=/c/"],
])("the list of %s is at %s", (baseUrl, address) => {
  expect(endpointAddress({ baseUrl } as Endpoint, "/models")).toBe(address);
});

test("an empty file has no endpoints, and one that is neither list nor map is refused", () => {
  expect(parse("")).toEqual({ endpoints: [], problems: [] });
  expect(() => parse("just text")).toThrow("a list of endpoints, or a map");
});

const WRONG: [yaml: string, problem: string][] = [
  ["- just text", "entry 1: it has to be a map with"],
  ["- { base_url: http://a/v1 }", "entry 1: name has to be"],
  ["x y: { base_url: http://a/v1 }", 'endpoint "x y": name has to be'],
  ["a: {}", 'endpoint "a": base_url has to be an address such as'],
  ["a: { base_url: file:///etc/passwd }", 'endpoint "a": base_url has to be an address such as'],
  [
    "a: { base_url: http://a/v1, api_key: sk-1234 }",
    'endpoint "a": api_key is not allowed; put the key in an environment',
  ],
  ["a: { base_url: http://a/v1, api_key_env: NOT_SET }", 'endpoint "a": api_key_env names NOT_SET, which is not set.'],
  ["a: { base_url: http://a/v1, api_key_env: sk-1234 }", 'endpoint "a": api_key_env has to be the name of'],
  ["a: { base_url: http://a/v1, apikey_env: THE_KEY }", 'endpoint "a": "apikey_env" is not known; there are name,'],
  ["a: { base_url: http://a/v1, headers: [x] }", "headers has to be a map"],
  ["a: { base_url: http://a/v1, headers: { Host: x } }", 'headers: "Host" cannot be set.'],
  ["a: { base_url: http://a/v1, headers: { 'a b': x } }", 'headers: "a b" cannot be set.'],
  [`a: { base_url: http://a/v1, headers: { X: '\${NOT_SET}' } }`, "headers: X names the environment variable NOT_SET"],
  [
    "a: { base_url: http://a/v1, headers: { api-key: sk-1234 } }",
    "headers: put the value of api-key in an environment",
  ],
  ['a: { base_url: http://a/v1, headers: { X: "a\\nb" } }', "headers: X has to be a text on one line"],
  ["a: { base_url: http://a/v1, headers: { X: { y: 1 } } }", "headers: X has to be a text on one line"],
  ["a: { base_url: http://a/v1, parameters: [1] }", 'endpoint "a": parameters has to be a map.'],
  ["a: { base_url: http://a/v1, models: { x: 1 } }", 'endpoint "a": models has to be "*" or a list'],
  ["a: { base_url: http://a/v1, models: [{ id: m, contextLength: 5 }] }", 'model "m": "contextLength" is not known'],
  ["a: { base_url: http://a/v1, models: [{ id: m, context_length: many }] }", 'model "m": context_length has to be'],
  ["a: { base_url: http://a/v1, models: [{ id: m, capabilities: vision }] }", 'model "m": capabilities has to be'],
  ["a: { base_url: http://a/v1, models: [{ id: m, parameters: 1 }] }", 'model "m": parameters has to be a map.'],
  [
    "a: { base_url: http://a/v1, allow_parameters: top_a }",
    'endpoint "a": allow_parameters has to be a list of names.',
  ],
  ["a: { base_url: http://a/v1, models: [{ id: m, allow_parameters: [1] }] }", 'model "m": allow_parameters has to be'],
];

for (const [yaml, problem] of WRONG) {
  test(`${yaml} is left out and named, without its secrets, and the others work`, () => {
    const good = Bun.YAML.parse("{ name: good, base_url: http://good/v1 }");
    const wrong = Bun.YAML.parse(yaml);
    const content = Array.isArray(wrong) ? [...wrong, good] : { ...(wrong as object), good };
    const { endpoints, problems } = parseEndpoints(content, secret);
    expect(endpoints.map(({ name }) => name)).toEqual(["good"]);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toContain(problem);
    expect(problems[0]).not.toContain("sk-1234");
  });
}

test("of two endpoints with one name the first stays", () => {
  const { endpoints, problems } = parse("- { name: a, base_url: http://a/v1 }\n- { name: a, base_url: http://b/v1 }");
  expect(endpoints.map(({ baseUrl }) => baseUrl)).toEqual(["http://a/v1"]);
  expect(problems).toEqual(['endpoint "a": the name is taken by an earlier entry.']);
});
