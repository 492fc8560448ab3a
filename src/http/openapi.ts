// The list of routes as OpenAPI 3.1, made of the schemas that requests are held to, so that it cannot
// differ from what the server does.

import type {RouteOptions} from 'fastify';

export type RouteNote = Pick<RouteOptions, 'method' | 'url' | 'schema' | 'config'>;

type ObjectSchema = {
  readonly properties: Readonly<Record<string, unknown>>;
  readonly required: readonly string[];
};

export function openApiOf(routes: readonly RouteNote[], version: string): object {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = route.url.replaceAll(/:(\w+)/g, '{$1}');
    paths[path] ??= {};
    for (const method of [route.method].flat())
      paths[path][method.toLowerCase()] = operationOf(route);
  }
  return {
    openapi: '3.1.0',
    info: {title: 'Volley operator interface', version},
    security: [{operator: []}],
    components: {securitySchemes: {operator: {type: 'http', scheme: 'bearer'}}},
    paths,
  };
}

function operationOf({config, schema}: RouteNote): object {
  const body = schema?.body;
  return {
    summary: config?.summary ?? '',
    'x-role': config?.role ?? '',
    parameters: [
      ...parametersOf('path', schema?.params),
      ...parametersOf('query', schema?.querystring),
    ],
    ...(body === undefined
      ? {}
      : {requestBody: {required: true, content: {'application/json': {schema: body}}}}),
    responses: {
      '2XX': {description: 'done'},
      '4XX': {description: '{error: {code, message, fields}}'},
    },
  };
}

function parametersOf(place: 'path' | 'query', schema: unknown): object[] {
  if (schema === undefined) return [];
  const {properties, required} = schema as ObjectSchema;
  return Object.entries(properties).map(([name, value]) => ({
    name,
    in: place,
    required: required.includes(name),
    schema: value,
  }));
}
