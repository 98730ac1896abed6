"""The `openai` client as a client of the product: openai-client.py BASE_URL KEY."""

import asyncio
import json
import sys

import openai
from checks import PIXEL, check, equal, holds, raised
from pydantic import BaseModel

base_url, key = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=2)

WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


def ask(content, **more):
    return client.chat.completions.create(
        **{"model": "small", "messages": [{"role": "user", "content": content}], **more}
    )


def said(content):
    return ask(content).choices[0].message.content


def lists_models():
    equal([model.id for model in client.models.list()], ["small"])
    equal(client.models.retrieve("small").id, "small")
    equal(raised(openai.NotFoundError, lambda: client.models.retrieve("none")).code, "model_not_found")


def whole():
    answer = ask("Hello", temperature=0.5)
    equal(answer.choices[0].message.content, "You said: Hello")
    equal(answer.choices[0].finish_reason, "stop")
    equal(answer.usage.total_tokens, 11)


def pieces():
    chunks = list(ask("one two three", stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    equal(text, "You said: one two three")
    holds(len(chunks) > 4, chunks)
    equal(chunks[-1].usage.total_tokens, 11)


def at_the_same_time():
    async def all_of_them():
        several = openai.AsyncOpenAI(base_url=base_url, api_key=key)

        async def one(n):
            words = []
            messages = [{"role": "user", "content": f"number {n}"}]
            async for chunk in await several.chat.completions.create(model="small", messages=messages, stream=True):
                words.append(chunk.choices[0].delta.content or "")
            return "".join(words)

        return await asyncio.gather(*(one(n) for n in range(5)))

    equal(asyncio.run(all_of_them()), [f"You said: number {n}" for n in range(5)])


def thinking():
    message = ask("think").choices[0].message
    equal((message.reasoning_content, message.content), ("Let me see.", "Yes."))


def tools():
    messages = [{"role": "user", "content": "call Rome,Oslo"}]
    choice = ask("", messages=messages, tools=[WEATHER]).choices[0]
    equal(choice.finish_reason, "tool_calls")
    cities = [json.loads(call.function.arguments)["city"] for call in choice.message.tool_calls]
    equal(cities, ["Rome", "Oslo"])
    messages.append(choice.message)
    for call, city in zip(choice.message.tool_calls, cities):
        messages.append({"role": "tool", "tool_call_id": call.id, "content": f"{city}: sun"})
    equal(ask("", messages=messages, tools=[WEATHER]).choices[0].message.content, "You said: Oslo: sun")


def tools_in_pieces():
    with client.chat.completions.stream(
        model="small", messages=[{"role": "user", "content": "call Rome"}], tools=[WEATHER]
    ) as stream:
        for _ in stream:
            pass
        message = stream.get_final_completion().choices[0].message
    equal(json.loads(message.tool_calls[0].function.arguments), {"city": "Rome"})


class Weather(BaseModel):
    city: str
    degrees: int


def parsed():
    messages = [{"role": "user", "content": "How warm is Rome?"}]
    answer = client.chat.completions.parse(model="small", messages=messages, response_format=Weather)
    equal(answer.choices[0].message.parsed, Weather(city="Rome", degrees=21))


def picture():
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    holds(PIXEL in said(parts), "the picture did not arrive")


def refused():
    holds("temperature" in str(raised(openai.BadRequestError, lambda: ask("fault badRequest"))), "other words")
    equal(said("how often fault badRequest"), "1")


def busy():
    equal(said("busy python"), "You said: busy python")


def broken():
    error = raised(openai.InternalServerError, lambda: ask("fault serverError"))
    equal((error.status_code, error.type), (502, "server_error"))


def broken_in_the_middle():
    error = raised(openai.APIError, lambda: list(ask("fault errorInStream", stream=True)))
    holds("overloaded" in str(error), error)


def unknown_model():
    error = raised(openai.NotFoundError, lambda: ask("x", model="none"))
    equal((error.code, error.param), ("model_not_found", "model"))


def wrong_key():
    stranger = openai.OpenAI(base_url=base_url, api_key="sk-nobody")
    raised(openai.AuthenticationError, lambda: stranger.models.list())


check("models are listed", lists_models)
check("a whole answer with its usage", whole)
check("an answer in pieces with its usage", pieces)
check("five at the same time", at_the_same_time)
check("thinking is in a field of its own", thinking)
check("tools are called, two at once, and it goes on from the results", tools)
check("a call in pieces is put together", tools_in_pieces)
check("an answer by a schema is parsed", parsed)
check("a picture arrives", picture)
check("a refusal is not repeated", refused)
check("what may succeed is repeated", busy)
check("a fault of the endpoint is a 502", broken)
check("a fault in the middle of a reply is raised", broken_in_the_middle)
check("an unknown model is a 404", unknown_model)
check("a wrong key is a 401", wrong_key)
