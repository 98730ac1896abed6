"""LangChain as a client of the product: langchain-client.py BASE_URL KEY."""

import asyncio
import sys

import openai
from checks import PIXEL, check, equal, holds, raised
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from pydantic import BaseModel

base_url, key = sys.argv[1:]


def model(**more):
    return ChatOpenAI(**{"model": "small", "base_url": base_url, "api_key": key, "max_retries": 2, **more})


@tool
def weather(city: str) -> str:
    """The weather of a city."""
    return f"{city}: sun"


def invoke():
    answer = model(temperature=0.5).invoke([SystemMessage("Be brief."), HumanMessage("Hello")])
    equal(answer.content, "You said: Hello")
    equal(answer.usage_metadata["total_tokens"], 11)
    equal(answer.response_metadata["finish_reason"], "stop")


def stream():
    chunks = list(model(stream_usage=True).stream("one two three"))
    equal("".join(chunk.content for chunk in chunks), "You said: one two three")
    holds(len(chunks) > 4, chunks)
    equal(sum((chunk.usage_metadata or {}).get("total_tokens", 0) for chunk in chunks), 11)


def batch():
    answers = asyncio.run(model().abatch([f"number {n}" for n in range(5)]))
    equal([answer.content for answer in answers], [f"You said: number {n}" for n in range(5)])


def tools():
    bound = model().bind_tools([weather])
    messages = [HumanMessage("call Rome,Oslo")]
    answer = bound.invoke(messages)
    equal([call["args"] for call in answer.tool_calls], [{"city": "Rome"}, {"city": "Oslo"}])
    messages.append(answer)
    messages += [ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]) for call in answer.tool_calls]
    equal(bound.invoke(messages).content, "You said: Oslo: sun")


def tools_in_pieces():
    whole = None
    for chunk in model().bind_tools([weather]).stream("call Rome,Oslo"):
        whole = chunk if whole is None else whole + chunk
    equal([call["args"]["city"] for call in whole.tool_calls], ["Rome", "Oslo"])


class Weather(BaseModel):
    """How warm it is."""

    city: str
    degrees: int


def parsed():
    structured = model().with_structured_output(Weather, method="json_schema")
    equal(structured.invoke("How warm is Rome?"), Weather(city="Rome", degrees=21))


def picture():
    parts = [{"type": "text", "text": "What is it?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    holds(PIXEL in model().invoke([HumanMessage(parts)]).content, "the picture did not arrive")


def conversation():
    history = [HumanMessage("Hello"), AIMessage("Hi."), HumanMessage("Sure?")]
    equal(model().invoke(history).content, "You said: Sure?")


def refused():
    holds("temperature" in str(raised(openai.BadRequestError, lambda: model().invoke("fault badRequest"))), "other words")
    equal(model().invoke("how often fault badRequest").content, "1")


def busy():
    equal(model().invoke("busy langchain").content, "You said: busy langchain")


def unknown_model():
    equal(raised(openai.NotFoundError, lambda: model(model="none").invoke("x")).code, "model_not_found")


check("invoke gives a whole answer with its usage", invoke)
check("stream gives it in pieces with its usage", stream)
check("a batch of five", batch)
check("bind_tools calls two at once and goes on from the results", tools)
check("calls in pieces are put together", tools_in_pieces)
check("with_structured_output is parsed", parsed)
check("a picture arrives", picture)
check("a conversation is sent as a whole", conversation)
check("a refusal is not repeated", refused)
check("what may succeed is repeated", busy)
check("an unknown model is a 404", unknown_model)
