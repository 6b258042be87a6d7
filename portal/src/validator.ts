/**
 * The validator of the form. It interprets the schema: validators that compile it would need 'unsafe-eval' in
 * the Content-Security-Policy.
 */
import { Validator } from "@cfworker/json-schema";
import type { RJSFSchema, RJSFValidationError, ValidationData, ValidatorType } from "@rjsf/utils";
import { toErrorSchema } from "@rjsf/utils";

const DRAFT = "2020-12";

function errorsOf(schema: RJSFSchema, value: unknown): RJSFValidationError[] {
  const found = new Validator(schema as object, DRAFT, false).validate(value);
  // those that only say that something below is wrong are left out
  return found.errors
    .filter(({ keyword }) => !["properties", "items", "additionalProperties", "allOf", "$ref"].includes(keyword))
    .map(({ keyword, error, instanceLocation }) => {
      const property = instanceLocation.replace(/^#/, "").split("/").filter(Boolean).join(".");
      return { name: keyword, message: error, property: `.${property}`, stack: `${property}: ${error}` };
    });
}

export const validator: ValidatorType = {
  validateFormData(formData, schema): ValidationData<unknown> {
    const errors = errorsOf(schema, formData);
    return { errors, errorSchema: toErrorSchema(errors) };
  },
  isValid(schema, formData) {
    return errorsOf(schema, formData).length === 0;
  },
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the interface asks for it
  rawValidation<Result>(schema: RJSFSchema, formData?: unknown) {
    return { errors: errorsOf(schema, formData) as unknown as Result[] };
  },
};

export default validator;
