"""The input of a merge: is it the image that was meant?"""
